"""Chinese figures: every text has a counterpart, with the same numbers in it, and nothing is left in English."""

import ast
import functools
import re
import string
import tomllib
from pathlib import Path

import pytest

from figures import language
from figures.fonts import families
from figures.language import FILE, NAMES, catalogue, patterns, say, speaking
from sim.numerics import SpecificationError
from tests.composed import ROOT

FILES = sorted((ROOT / "figures").rglob(FILE))
MODULES = sorted((ROOT / "figures").rglob("*.py"))
DESCRIBED = (ast.Module, ast.FunctionDef)

PLAIN = frozenset(
    "Adam SGD SFT DPO LoRA FINCH KL JS TV Zipf Fisher Hellinger Transformer CKA GIF nat exp log eps logit float "
    "Frobenius Bradley Terry Gavish Donoho Kornblith DG Hard arXiv Bayes Markov terse distinct self BLEU Miller Madow "
    "Chao Shen Good Turing Rao Blackwell Student GEM MixCE DFT WiSE".split()
)
"""Names, units and symbols that are the same in Chinese, and a style of the imitated worlds."""


def english(words: str) -> set[str]:
    """The English words of a text: three letters or more, outside of formulas and slots."""
    return set(re.findall(r"[A-Za-z]{3,}", re.sub(r"\$[^$]*\$|\{[^}]*\}", "", words))) - PLAIN


def slots(template: str) -> dict[str, str]:
    """The slots of a template, with the format of each."""
    return {name: f"{spec}" for _, name, spec, _ in string.Formatter().parse(template) if name is not None}


def entries() -> list[tuple[Path, str, str, str]]:
    """File, table, template and Chinese of all texts."""
    return [
        (file, title, key, chinese)
        for file in FILES
        for title, table in language.tables(file).items()
        for key, chinese in table.items()
    ]


def templates(source: str) -> list[str]:
    """The templates that stand as literals in `say(...)`."""
    calls = [one for one in ast.walk(ast.parse(source)) if isinstance(one, ast.Call) and one.args]
    said = [one.args[0] for one in calls if isinstance(one.func, ast.Name) and one.func.id == "say"]
    return [one.value for one in said if isinstance(one, ast.Constant)]


@functools.cache
def said() -> dict[str, Path]:
    """The templates of all figures, with a file of each."""
    return {words: file for file in MODULES for words in templates(file.read_text(encoding="utf-8"))}


def test_every_template_has_a_chinese_counterpart() -> None:
    assert len(said()) > 200
    missing = {str(file.relative_to(ROOT)): words for words, file in said().items() if words not in catalogue()}
    assert not missing


def test_the_figure_of_the_guide_keeps_the_rules() -> None:
    """Its texts pass through `say`, and the page has the Chinese of those that are new."""
    text = (ROOT / "docs" / "figure.md").read_text(encoding="utf-8")
    source = next(one for one in re.findall(r"^```python\n(.*?)^```", text, re.M | re.S) if "def draw(" in one)
    (written,) = re.findall(r"^```toml\n(.*?)^```", text, re.M | re.S)
    (table,) = tomllib.loads(written).values()
    found = templates(source)
    assert set(table) == {one for one in found if one not in catalogue()} != set()
    assert all(slots(key) == slots(chinese) and not english(chinese) for key, chinese in table.items())
    strings = [one.value for one in ast.walk(ast.parse(source)) if isinstance(one, ast.Constant)]
    sentences = [one for one in strings if isinstance(one, str) and len(english(one)) >= 3]
    described = [ast.get_docstring(one) for one in ast.walk(ast.parse(source)) if isinstance(one, DESCRIBED)]
    assert set(sentences) - set(described) == {one for one in found if len(english(one)) >= 3}


def test_a_template_stands_once_and_its_slots_are_kept() -> None:
    keys = [key for _, title, key, _ in entries() if title != NAMES]
    assert len(keys) == len(set(keys)), {key for key in keys if keys.count(key) > 1}
    for _, title, key, chinese in entries():
        if "{" in key and title == NAMES:
            assert set(slots(key)) == set(slots(chinese)), key
        elif key in said() and slots(key):
            assert slots(key) == slots(chinese), key


def test_no_chinese_text_is_left_over() -> None:
    """What no figure says any more is deleted. Texts may be built of parts, so words of the template are looked for."""
    source = " ".join(file.read_text(encoding="utf-8") for file in MODULES)
    words = set(re.findall(r"[A-Za-z]+", source)) | set(re.findall(r"[A-Za-z]+", _labels()))
    for file, title, key, _ in entries():
        left = {word for word in english(key) if word not in words and word.capitalize() not in words}
        left -= {word for word in left if word.lower() in words}
        assert not left, f"{file.relative_to(ROOT)} [{title}] {key!r}: {left}"


def _labels() -> str:
    """The source of the members whose labels are names in tables, and the names of methods."""
    folders = [ROOT / "sim", ROOT / "experiments"]
    sources = [file.read_text(encoding="utf-8") for folder in folders for file in folder.rglob("*.py")]
    return " ".join([*sources, *(file.stem for file in (ROOT / "conf" / "method").glob("*.yaml"))])


def test_chinese_texts_hold_no_english() -> None:
    left = {chinese: found for _, _, _, chinese in entries() if (found := english(chinese))}
    assert not left


# -- the language -----------------------------------------------------------------------------------------------------


def test_english_is_the_template_itself() -> None:
    assert say("{count} seeds", count=3) == "3 seeds"
    assert say("{braces} of data") == "{braces} of data"


def test_chinese_fills_the_same_slots_and_says_names() -> None:
    with speaking("zh"):
        assert say("{count} seeds", count=3) == "3 个随机种子"
        assert say("{targets} targets", targets="exact") == "精确目标"
        assert say("style assistant, prompts keep P(x)") == "风格“助手”，提示仍服从 P(x)"
        assert say("likeliest 12.5 %") == "最可能的 12.5 %"
        assert say("likeliest") == "likeliest"
        assert say("no such text {x:.1f}", x=0.25) == "no such text 0.2"
    assert language.language() == "en"


def test_a_pattern_matches_whole_names_only() -> None:
    assert any(expression.fullmatch("style z0") for expression, _ in patterns())
    assert not any(expression.fullmatch("a style z0") for expression, _ in patterns())


def test_mistakes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecificationError, match="language: one of en, zh is required, found 'de'"), speaking("de"):
        pass
    file = tmp_path / FILE
    for text, found in (("[a", "TOML is required"), ("[a]\nb = 1", "a table of texts is required, found a = ")):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(SpecificationError, match=re.escape(f"{file}: {found}")):
            language.tables(file)


def test_without_a_chinese_font_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("figures.fonts.chinese_font", lambda search: None)
    assert families("en") == ["DejaVu Sans"]
    with pytest.raises(SpecificationError, match="--language zh: a font with Chinese letters is required, found none"):
        families("zh")
