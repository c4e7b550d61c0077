"""What registers answer the portal beside lists and records: searches, lives, comparisons."""

from typing import Any

ISLAND = {
    "island": "K-Thulusdhoo",
    "name": "Thulusdhoo",
    "atoll": "atoll:K",
    "coordinates": "4.37,73.65",
}
HIMMAFUSHI = {
    "_id": "K-Himmafushi",
    "island": "K-Himmafushi",
    "name": "Himmafushi",
    "atoll": "atoll:K",
    "coordinates": "4.31,73.57",
}
FIELDS = [
    {"field": "name", "before": "Tulusdu", "after": "Thulusdhoo"},
    {"field": "population", "before": None, "after": "1408"},
]
HASH = "1220" + "ab" * 32
OWNER = {"_id": "5d1f", "vessel-owner": "5d1f", "vessel": HASH, "owner": HASH}
OWN_VERSION = {
    "entry-number": 1,
    "entry-timestamp": "2026-03-01T05:00:00Z",
    "blob-hash": HASH,
    "values": {"vessel": "fishing-vessel:DEMO-0001", "owner": "Aishath Demo"},
    "disclosures": {"owner": {"salt": "00" * 16, "commitment": HASH}},
}
CORRECTIONS = [
    {
        "id": "c1",
        "made": "2026-03-02T05:00:00Z",
        "state": "rejected",
        "field": "owner",
        "wanted": "Aishath <b>D.</b>",
        "because": "Shorter.",
        "answer": "It is the name on the card.",
    },
    {
        "id": "c2",
        "made": "2026-03-02T06:00:00Z",
        "state": "open",
        "erase": True,
        "because": "Sold.",
    },
]
OWN = {"key": "5d1f", **OWN_VERSION, "history": [OWN_VERSION], "corrections": CORRECTIONS}


def life(numbers: list[int], names: list[str]) -> dict[str, Any]:
    """A record's life of some entries, each with its name."""
    versions = [
        {
            "entry-number": number,
            "entry-timestamp": "2026-03-01T00:00:00Z",
            "blob-hash": "1220ab",
            "item": ISLAND | {"name": name},
            "change": "added" if place == 0 else "changed",
            "fields": FIELDS,
            "reason": None if place == 0 else "The spelling on the <i>sign</i>",
        }
        for place, (number, name) in enumerate(zip(numbers, names, strict=True))
    ]
    return {"total-versions": len(numbers), "versions": versions}


def answers() -> dict[str, Any]:
    """Return what each address is answered with: method and path under /registers → body."""
    return {
        "GET island/search": {
            "total": 1,
            "results": [{"_id": "K-Thulusdhoo", "label": {"en": "Thulusdhoo"}, "item": ISLAND}],
        },
        "GET island/facets": {
            "facets": [
                {
                    "field": "atoll",
                    "title": {"en": "Atoll", "dv": "އަތޮޅު"},
                    "values": [
                        {"value": "atoll:K", "count": 13, "label": {"en": "Kaafu", "dv": "ކ"}},
                        {"value": "atoll:N", "count": 14},
                    ],
                    "more": True,
                }
            ]
        },
        "GET island/records/K-Thulusdhoo/history": life([7], ["Thulusdhoo"]),
        "GET island/records/K-Thulusdhoo/links": {
            "outgoing": [],
            "incoming": [
                {
                    "register": "fishing-vessel",
                    "field": "home-island",
                    "title": {"en": "Home island", "dv": "ރަށް"},
                    "total": 60,
                    "records": [{"_id": "DEMO-0001", "label": {"en": "Fehi <Raalhu>", "dv": "ފެހި"}}],
                }
            ],
        },
        "GET island/records/K-Thulusdhoo/diff": {
            "from": 7, "to": 30, "key": "K-Thulusdhoo", "change": "changed", "fields": FIELDS,
        },
        "GET island/diff": {
            "from": 180,
            "to": 190,
            "changes": [
                {"key": "K-Thulusdhoo", "change": "changed", "fields": FIELDS},
                {"key": "K-New", "change": "added", "fields": FIELDS[1:]},
            ],
        },
        "GET island/verification": {"verified": 190, "size": 190, "done": True, "difference": None},
        "GET island/quality": {
            "score": 0.9971,
            "measures": {
                "completeness": {"score": 0.9853},
                "validity": {"score": 1},
                "uniqueness": {"score": None},
                "timeliness": {"score": "high"},
            },
        },
        "GET island/entries/57": {"entry-number": 57, "key": "K-Thulusdhoo"},
        "GET atoll/records": [
            {"_id": "K", "name": "Kaafu", "name-dv": "ކ"},
            {"_id": "S", "name": "Addu City", "name-dv": "ސ"},
        ],
        "GET fishing-vessel/context": {
            "schema": [
                {"id": "fishing-vessel", "datatype": "string"},
                {"id": "name", "datatype": "string"},
                {"id": "home-island", "datatype": "curie", "register": "island"},
            ],
            "statistics": {"total-entries": 12},
        },
        "GET fishing-vessel/records": [
            {"_id": "DEMO-0001", "name": "Fehi Raalhu", "home-island": "island:K-Thulusdhoo"},
            {"_id": "DEMO-0002", "name": "Nowhere", "home-island": "island:X-Nothing"},
        ],
        "GET vessel-owner/context": {
            "schema": [
                {"id": "vessel-owner", "datatype": "string"},
                {"id": "vessel", "datatype": "hash"},
                {"id": "owner", "datatype": "hash"},
            ],
            "statistics": {"total-entries": 2},
            "governance": {"legal-basis": "Vessels Act (made up), section 12"},
            "personal": {
                "schema": [
                    {"id": "vessel", "datatype": "curie", "title": "Vessel"},
                    {"id": "owner", "datatype": "string", "title": "Owner"},
                ],
                "questions": ["vessel"],
            },
        },
        "GET vessel-owner/records": [OWNER],
        "GET vessel-owner/records/5d1f": OWNER,
        "GET vessel-owner/personal/records": {"records": [OWN], "next": None},
        "GET vessel-owner/personal/records/5d1f": OWN,
        "POST vessel-owner/personal/records/5d1f/corrections": {"id": "c3", "state": "open"},
    }  # fmt: skip
