// What operators can have done: the dialog of each action, in one place, so that it is the same wherever it is asked for.
import { mayAct, post, vocabulary } from "./api.js";
import { ask } from "./dialog.js";
import { wrong } from "./toast.js";

const at = (...words) => `/api/${words.map(encodeURIComponent).join("/")}`;

/** Viewers are told why nothing happens. */
function allowed() {
  if (!mayAct()) wrong("You are signed in as a viewer: viewers look and change nothing. Ask an operator.");
  return mayAct();
}

const reason = (hint) => ({ name: "reason", label: "Reason", kind: "textarea", max: 256, hint });

export const message = (player, after) => allowed() && ask({
  title: `Message to ${player}`, submit: "Send", after,
  fields: [{ name: "text", label: "Text", kind: "textarea", max: 128, required: true, hint: "At most 128 characters. The player sees it at once." }],
  send: (values) => post(at("players", player, "message"), values),
});

export const kick = (player, after) => allowed() && ask({
  title: `Kick ${player}`, text: "The character is saved and taken out of the world. The player may log in again.", submit: "Kick", danger: true, after,
  fields: [reason("The player is told this.")], send: (values) => post(at("players", player, "kick"), values),
});

export const mute = (player, after) => allowed() && ask({
  title: `Mute ${player}`, text: "The player goes on playing, but nobody hears what it says.", submit: "Mute", after,
  fields: [{ name: "for_s", label: "For how long", kind: "length", value: 3600 }, reason("The player is told this.")],
  send: (values) => post(at("players", player, "mute"), values),
});

export const unmute = (player, after) => allowed() && ask({
  title: `Let ${player} speak again`, submit: "Unmute", after, send: () => post(at("players", player, "mute"), { for_s: 0 }),
});

export const ban = (player, after) => allowed() && ask({
  title: `Ban ${player}`, text: "What the account has open is ended at once, and it cannot log in.", submit: "Ban", danger: true, confirm: player, after,
  fields: [{ name: "for_s", label: "For how long", kind: "length", value: 86400, forEver: true }, reason("The player is told this.")],
  send: (values) => post(at("players", player, "ban"), values),
});

export const unban = (player, after) => allowed() && ask({
  title: `End the ban of ${player}`, submit: "End the ban", after, send: () => post(at("players", player, "ban"), { for_s: 0 }),
});

export const drain = (node, after) => allowed() && ask({
  title: `Drain ${node}`, submit: "Drain", danger: true, confirm: node, after, background: `${node} hands over what it has`,
  text: "Its players or requests go to the other nodes of its role, and it takes nothing new. It stays empty until it is restarted.",
  send: (values) => post(at("nodes", node, "drain"), values),
});

export const restart = (node, after) => allowed() && ask({
  title: `Restart ${node}`, submit: "Restart", danger: true, confirm: node, after, background: `${node} is being restarted`,
  text: "It is stopped in order and started again. Players stay connected: a scene hands over to its successor, the clients of a gate go to others.",
  fields: [{ name: "cold", label: "Cold: end it first, as if it had died", kind: "check", hint: "Only when it does not react any more. Players notice." }],
  send: (values) => post(at("nodes", node, "restart"), values),
});

export async function pin(node, level, after) {
  if (!allowed()) return;
  const { levels } = await words();
  ask({
    title: `Policy level of ${node}`, submit: "Set", after,
    text: "At a higher level a node leaves more out. A level that is set by hand stays until it is set back.",
    fields: [{ name: "level", label: "Level", kind: "select", value: level ?? "auto", options: [["auto", "As its pressure says"], ...levels.map((name, number) => [number, `${number} ${name}`])] }],
    send: (values) => post(at("nodes", node, "pin"), { level: values.level === "auto" ? null : Number(values.level) }),
  });
}

export async function scale(role, zone, count, after) {
  if (!allowed()) return;
  const { scalable, zones } = await words();
  ask({
    title: "Scale a role", submit: "Scale", danger: true, confirm: (values) => values.role, after, background: "Nodes are started or emptied",
    text: "Further nodes are started; surplus ones are drained and stopped, the highest number first. Players go on playing.",
    fields: [
      { name: "role", label: "Role", kind: "select", value: role || scalable[0], options: scalable.map((one) => [one, one]) },
      { name: "zone", label: "Zone", kind: "select", value: zone || zones[0], options: zones.map((one) => [one, one]) },
      { name: "count", label: "How many are to serve", kind: "number", min: 0, most: 99, value: count ?? 1, required: true },
    ],
    send: (values) => post(at("scale"), values),
  });
}

export async function broadcast(after) {
  if (!allowed()) return;
  const { zones } = await words();
  ask({
    title: "Broadcast", text: "Every player reads this at once.", submit: "Broadcast", after,
    fields: [
      { name: "zone", label: "To", kind: "select", value: "", options: [["", "All zones"], ...zones.map((one) => [one, `Zone ${one}`])] },
      { name: "text", label: "Text", kind: "textarea", max: 128, required: true, hint: "At most 128 characters." },
    ],
    send: (values) => post(at("broadcast"), values),
  });
}

export const acknowledge = (incident, after) => allowed() && ask({
  title: "Acknowledge this incident", text: "Others see that somebody is at it. Its alerts stay.", submit: "Acknowledge", after,
  fields: [{ name: "note", label: "Note", kind: "textarea", max: 256, hint: "What you know or do; it is added to the time line." }],
  send: (values) => post(at("incidents", incident, "acknowledge"), values),
});

export const silence = (rule, node, after) => allowed() && ask({
  title: "Silence", text: "Nobody is notified of these alerts for this long. They are still shown here.", submit: "Silence", after,
  fields: [
    { name: "rule", label: "Rule", value: rule, max: 64, placeholder: "every rule" }, { name: "node", label: "Node", value: node, max: 64, placeholder: "every node" },
    { name: "for_s", label: "For how long", kind: "length", value: 3600 }, { name: "reason", label: "Reason", kind: "textarea", max: 256 },
  ],
  send: (values) => post(at("silences"), values),
});

export const endSilence = (id, after) => allowed() && ask({
  title: "End this silence", submit: "End it", after, send: () => post(at("silences", id, "end")),
});

async function words() {
  try { return await vocabulary(); } catch (problem) { wrong(problem.message); throw problem; }
}
