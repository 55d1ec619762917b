"""What events say, as columns and as JSON."""

from mesh.lake.columns import FIELDS, zone_of
from mesh.lake.fields import columns_of, seen_in
from mesh.lake.manifest import Manifest, Seen, with_kinds


def test_fields_become_columns_and_the_rest_json() -> None:
    events = [{"gold": 5, "items": [1]}, {"gold": 7}, {}]
    columns, rest = columns_of(events, FIELDS)
    assert columns == {"gold": [5, 7, None]}
    assert rest == ['{"items":[1]}', None, None]
    assert seen_in(columns, events) == Seen(["gold"], {"items": "json"})


def test_a_value_of_another_type_stays_in_the_json() -> None:
    columns, rest = columns_of([{"gold": "many"}, {"gold": 2**70}, {"gold": True}, {"gold": 3}], FIELDS)
    assert columns == {"gold": [None, None, None, 3]}
    assert rest == ['{"gold":"many"}', f'{{"gold":{2**70}}}', '{"gold":true}', None]


def test_a_number_that_is_too_large_for_its_column_stays_in_the_json() -> None:
    columns, rest = columns_of([{"line": 2**31}, {"line": 2**31 - 1}], FIELDS)
    assert columns == {"line": [None, 2**31 - 1]}
    assert rest == ['{"line":2147483648}', None]


def test_the_types_of_a_field_grow() -> None:
    manifest = Manifest()
    for type_, after in (("int", "int"), ("float", "float"), ("int", "float"), ("text", "json")):
        manifest = with_kinds(manifest, {"dance": Seen([], {"steps": type_})})
        assert manifest.kinds["dance"].others == {"steps": after}


def test_the_zone_is_in_the_name_of_the_node() -> None:
    assert zone_of("eu.one.scene.1") == "one"
    assert zone_of("x") == zone_of("eu.../etc.scene.1") == zone_of("eu.a/b.scene.1") == "other"
