"""Home countries as data: how numbers and addresses look there, and what messages call them."""

import re
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Country:
    """The rules of a home country.

    places: what an address must name in its last lines where postcodes are optional.
    own_names: ways to write the country itself under an address.
    sms_rate, letter_rates: what a fragment, or a letter by postage and sheets, is charged.
    """

    code: str
    calling_code: int
    national_digits: int
    not_mobile: str
    landline_permission: str
    own_names: frozenset[str]
    postcode: re.Pattern[str]
    not_local: str
    not_anywhere: str
    places: re.Pattern[str] | None = None
    has_military_post: bool = False
    sms_rate: float = 0.0
    letter_base: dict[str, float] = field(default_factory=dict)
    letter_sheet: float = 0.0


_ATOLLS = (
    r"Haa Alifu?|Haa Dhaalu|Shaviyani|Noonu|Raa|Baa|Lhaviyani|Kaafu|Alifu? Alifu?|Alifu? Dhaalu?|"
    r"Vaavu|Meemu|Faafu|Dhaalu|Thaa|Laamu|Gaafu Alifu?|Gaafu Dhaalu|Gnaviyani|Fuvahmulah|Seenu|"
    r"Addu|Male|Malé|Hulhumale|Hulhumalé|Villimale|Villimalé"
)
# the usual short form, in front of the island: K. Thulusdhoo
_ATOLL_CODES = r"HA|HDh|Sh|N|R|B|Lh|K|AA|ADh|V|M|F|Dh|Th|L|GA|GDh|Gn|S"

COUNTRIES = {
    "MV": Country(
        code="MV",
        calling_code=960,
        national_digits=7,
        not_mobile="Not a Maldivian mobile number",
        landline_permission="sms_to_mv_landlines",
        own_names=frozenset({"maldives", "republic of maldives", "dhivehi raajje"}),
        postcode=re.compile(r"\d{5}"),
        not_local="Must name a real Maldivian island and atoll",
        not_anywhere="Last line of address must name a Maldivian island and atoll or be another "
        "country",
        places=re.compile(rf"(?i:\b(?:{_ATOLLS})\b)|\b(?:{_ATOLL_CODES})\. ?\w{{3,}}"),
    ),
    "GB": Country(
        code="GB",
        calling_code=44,
        national_digits=10,
        not_mobile="Not a UK mobile number",
        landline_permission="sms_to_uk_landlines",
        own_names=frozenset(
            {
                "united kingdom",
                "uk",
                "great britain",
                "gb",
                "england",
                "scotland",
                "wales",
                "cymru",
                "northern ireland",
            }
        ),
        postcode=re.compile(r"GIR ?0AA|[A-Z]{1,2}[0-9][0-9A-Z]? ?[0-9][A-Z]{2}", re.I),
        not_local="Must be a real UK postcode",
        not_anywhere="Last line of address must be a real UK postcode or another country",
        has_military_post=True,
        sms_rate=0.0227,
        letter_base={"first": 1.56, "second": 0.68, "economy": 0.61},
        letter_sheet=0.06,
    ),
}

# Names under which a letter abroad may end (United Nations members and a few territories)
ELSEWHERE = frozenset(
    name.strip().lower()
    for name in """
    Afghanistan, Albania, Algeria, Andorra, Angola, Antigua and Barbuda, Argentina, Armenia,
    Australia, Austria, Azerbaijan, Bahamas, The Bahamas, Bahrain, Bangladesh, Barbados, Belarus,
    Belgium, Belize, Benin, Bhutan, Bolivia, Bosnia and Herzegovina, Botswana, Brazil, Brunei,
    Bulgaria, Burkina Faso, Burundi, Cambodia, Cameroon, Canada, Cape Verde, Cabo Verde,
    Central African Republic, Chad, Chile, China, Colombia, Comoros, Congo,
    Democratic Republic of the Congo, Costa Rica, Croatia, Cuba, Cyprus, Czechia, Czech Republic,
    Denmark, Djibouti, Dominica, Dominican Republic, East Timor, Timor-Leste, Ecuador, Egypt,
    El Salvador, Equatorial Guinea, Eritrea, Estonia, Eswatini, Ethiopia, Fiji, Finland, France,
    Gabon, Gambia, The Gambia, Georgia, Germany, Deutschland, Ghana, Gibraltar, Greece, Greenland,
    Grenada, Guatemala, Guinea, Guinea-Bissau, Guyana, Haiti, Honduras, Hong Kong, Hungary, Iceland,
    India, Indonesia, Iran, Iraq, Ireland, Republic of Ireland, Israel, Italy, Ivory Coast, Jamaica,
    Japan, Jordan, Kazakhstan, Kenya, Kiribati, Kosovo, Kuwait, Kyrgyzstan, Laos, Latvia, Lebanon,
    Lesotho, Liberia, Libya, Liechtenstein, Lithuania, Luxembourg, Macao, Madagascar, Malawi,
    Malaysia, Maldives, Mali, Malta, Marshall Islands, Mauritania, Mauritius, Mexico, Micronesia,
    Moldova, Monaco, Mongolia, Montenegro, Morocco, Mozambique, Myanmar, Namibia, Nauru, Nepal,
    Netherlands, The Netherlands, New Zealand, Nicaragua, Niger, Nigeria, North Korea,
    North Macedonia, Norway, Oman, Pakistan, Palau, Palestine, Panama, Papua New Guinea, Paraguay,
    Peru, Philippines, Poland, Portugal, Qatar, Romania, Russia, Rwanda, Saint Kitts and Nevis,
    Saint Lucia, Saint Vincent and the Grenadines, Samoa, San Marino, Sao Tome and Principe,
    Saudi Arabia, Senegal, Serbia, Seychelles, Sierra Leone, Singapore, Slovakia, Slovenia,
    Solomon Islands, Somalia, South Africa, South Korea, South Sudan, Spain, España, Sri Lanka,
    Sudan, Suriname, Sweden, Switzerland, Syria, Taiwan, Tajikistan, Tanzania, Thailand, Togo,
    Tonga, Trinidad and Tobago, Tunisia, Turkey, Türkiye, Turkmenistan, Tuvalu, Uganda, Ukraine,
    United Arab Emirates, United Kingdom, United States, United States of America, USA, Uruguay,
    Uzbekistan, Vanuatu, Vatican City, Venezuela, Vietnam, Yemen, Zambia, Zimbabwe
    """.replace("\n", " ").split(",")
)
EUROPE = frozenset(
    name.strip()
    for name in """
    albania, andorra, armenia, austria, azerbaijan, belarus, belgium, bosnia and herzegovina,
    bulgaria, croatia, cyprus, czechia, czech republic, denmark, estonia, finland, france, georgia,
    germany, deutschland, gibraltar, greece, greenland, hungary, iceland, ireland,
    republic of ireland, italy, kazakhstan, kosovo, latvia, liechtenstein, lithuania, luxembourg,
    malta, moldova, monaco, montenegro, netherlands, the netherlands, north macedonia, norway,
    poland, portugal, romania, russia, san marino, serbia, slovakia, slovenia, spain, españa,
    sweden, switzerland, turkey, türkiye, ukraine, united kingdom, vatican city
    """.replace("\n", " ").split(",")
)
