// The town square as a Colyseus room, in the fastest way that Colyseus has: raw batches of bytes, one for each client
// and tick, interest by a grid in the room. (Its schema with views carries less than a third of that.)
//
//   node server.mjs PORT WIDTH_M RADIUS_M HZ
import { Server, Room } from "@colyseus/core";
import { WebSocketTransport } from "@colyseus/ws-transport";

const [port, width, radius, hz] = process.argv.slice(2).map(Number);
const side = Math.max(1, Math.floor(width / radius));
const cellSize = width / side;
const HEAD = 8;
const ENTRY = 24;

function cellOf(metres) {
  return Math.min(side - 1, Math.max(0, Math.floor(metres / cellSize)));
}

function fillCells(players) {
  const cells = new Map();
  for (const player of players) {
    player.column = cellOf(player.x);
    player.row = cellOf(player.y);
    const key = player.row * side + player.column;
    const cell = cells.get(key);
    if (cell) cell.push(player);
    else cells.set(key, [player]);
  }
  return cells;
}

function findNear(cells, player, found) {
  found.length = 0;
  for (let row = Math.max(0, player.row - 1); row <= player.row + 1 && row < side; row++) {
    for (let column = Math.max(0, player.column - 1); column <= player.column + 1 && column < side; column++) {
      const cell = cells.get(row * side + column);
      if (!cell) continue;
      for (let i = 0; i < cell.length; i++) {
        const other = cell[i];
        const dx = other.x - player.x;
        const dy = other.y - player.y;
        if (dx * dx + dy * dy <= radius * radius && other !== player) found.push(other);
      }
    }
  }
}

class Square extends Room {
  maxClients = Infinity;
  autoDispose = false;

  onCreate() {
    this.patchRate = null; // no state of the schema kind
    this.players = new Map();
    this.ticks = 0;
    this.found = [];
    this.onMessageBytes("m", (client, bytes) => this.move(client, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)));
    this.setSimulationInterval(() => this.tick(), 1000 / hz);
  }

  move(client, bytes) {
    let player = this.players.get(client.sessionId);
    if (!player) this.players.set(client.sessionId, (player = { client, entry: Buffer.alloc(ENTRY) }));
    player.x = bytes.readFloatLE(8);
    player.y = bytes.readFloatLE(12);
    player.entry.set(bytes);
  }

  tick() {
    const cells = fillCells(this.players.values());
    this.ticks++;
    for (const player of this.players.values()) {
      findNear(cells, player, this.found);
      const frame = Buffer.allocUnsafe(HEAD + ENTRY * this.found.length);
      frame.writeUInt16LE(2, 0);
      frame.writeUInt16LE(this.found.length, 2);
      frame.writeUInt32LE(this.ticks, 4);
      for (let i = 0; i < this.found.length; i++) frame.set(this.found[i].entry, HEAD + ENTRY * i);
      player.client.sendBytes("s", frame);
    }
  }

  onLeave(client) {
    this.players.delete(client.sessionId);
  }
}

const server = new Server({ greet: false, transport: new WebSocketTransport({}) });
server.define("square", Square);
await server.listen(port, "127.0.0.1", 4096);
