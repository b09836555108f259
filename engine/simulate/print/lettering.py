"""Text on cards and labels, in the fonts shipped with matplotlib, which grad-cam depends on."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFont

from engine.errors import BadInput

FontFace = Literal["sans", "bold", "serif", "serif_bold", "italic", "mono"]
FONT_FILES: dict[FontFace, str] = {
    "sans": "DejaVuSans.ttf",
    "bold": "DejaVuSans-Bold.ttf",
    "serif": "STIXGeneral.ttf",
    "serif_bold": "STIXGeneralBol.ttf",
    "italic": "STIXGeneralItalic.ttf",
    "mono": "DejaVuSansMono.ttf",
}
Align = Literal["left", "middle", "right"]
Color = tuple[int, int, int]

# Comma-separated words to choose from.
NAME_STARTS = "Ash,Bram,Cor,Dra,El,Fen,Gor,Hal,Il,Jor,Kel,Lor,Mar,Nor,Or,Pyr,Quil,Rav,Sol,Thal,Ul,Ver,Wyr,Xan,Yr,Zeph"
NAME_ENDS = "adan,beth,crow,dral,eon,fang,grim,horn,is,keth,lume,mire,nox,oth,path,rune,shade,thorn,und,vale,wing,yre"
NAME_ORIGINS = "Ember,Tides,Hollow,Stone,Glass,Night,Roots,Storm,Ash,Dawn,Iron,Salt,Bone,Moss,Brass,Echo,Frost"
FIRST_NAMES = "Abe,Buck,Cal,Dutch,Earl,Floyd,Gus,Hank,Irv,Jake,Lefty,Mel,Ned,Otto,Pete,Red,Sal,Tug,Walt,Zeke"
LAST_NAMES = "Ardmore,Bellows,Crandall,Dunmore,Ellery,Fosco,Gantry,Hobart,Ingle,Jessup,Kilroy,Lombard,Mather,Nolan"
TEAMS = "Harbor Gulls,River Kings,Mill Town Oaks,Copper Foxes,Bay Lanterns,Plains Comets,Hill Badgers"
FIELD_POSITIONS = "PITCHER,CATCHER,FIRST BASE,SHORTSTOP,OUTFIELD,THIRD BASE"
CARD_TYPES = "Beast,Spirit,Relic,Rite,Warden,Wurm,Construct,Seer"
RULE_WORDS = (
    "when,this,enters,play,draw,a,card,then,each,rival,loses,two,life,choose,one,target,guard,gains,strength,until,"
    "end,of,turn,you,may,pay,for,every,ember,in,your,pile,deal,three,to,any,foe,if,it,would,leave,return,instead,"
    "tapped,creatures,cannot,block,while,the,moon,is,high,shuffle,reveal,top,and,keep,what,shines"
)
CAREER_WORDS = (
    "led,the,circuit,in,doubles,and,stole,home,twice,before,a,broken,wrist,ended,his,summer,came,up,from,harvest,"
    "league,to,hit,first,pitch,over,fence,likes,fishing,winters,on,farm,with,brothers,fast,hands,strong,arm,sure,"
    "glove,played,every,game,last,season"
)


@cache
def font(face: FontFace, size_px: int) -> ImageFont.FreeTypeFont:
    """Load a font of this height in pixels. Raises BadInput if matplotlib's fonts are missing."""
    package = find_spec("matplotlib")
    folder = Path(package.origin).parent if package and package.origin else None
    path = folder / "mpl-data" / "fonts" / "ttf" / FONT_FILES[face] if folder else None
    if path is None or not path.is_file():
        raise BadInput(f"the font {FONT_FILES[face]} is missing; it comes with matplotlib: pip install matplotlib")
    return ImageFont.truetype(path, max(4, size_px))


def write_text(
    rgb: np.ndarray,
    text: str,
    position: tuple[float, float],
    *,
    size_px: float,
    color: Color,
    face: FontFace = "sans",
    align: Align = "left",
    max_width_px: float | None = None,
) -> None:
    """Write one line onto a (H, W, 3) uint8 picture, in place.

    position      (x, y) pixels: x of the line's left end, middle or right end by `align`, y of its middle
    max_width_px  a longer line is written in a smaller size
    """
    size = round(size_px)
    length = font(face, size).getlength(text)
    if max_width_px is not None and length > max_width_px:
        size = int(size * max_width_px / length)
        length = font(face, size).getlength(text)
    anchor: dict[Align, float] = {"left": 0.0, "middle": length / 2, "right": length}
    left, top = round(position[0] - anchor[align]), round(position[1] - size * 0.7)
    canvas = Image.new("L", (int(length) + 4, round(size * 1.4)))
    ImageDraw.Draw(canvas).text((1, canvas.height / 2), text, fill=255, font=font(face, size), anchor="lm")
    blend_color(rgb, np.asarray(canvas), left, top, color)


def blend_color(rgb: np.ndarray, mask: np.ndarray, left: int, top: int, color: Color) -> None:
    """Blend a color into a picture through a uint8 mask at (left, top), in place, clipped to the picture."""
    rows = slice(max(top, 0), min(top + mask.shape[0], rgb.shape[0]))
    columns = slice(max(left, 0), min(left + mask.shape[1], rgb.shape[1]))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    part = mask[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    under = rgb[rows, columns]
    alpha = part[..., None].astype(np.float32) / 255
    under[:] = (under + alpha * (np.array(color, np.float32) - under)).astype(np.uint8)


def choose_word(random: Generator, words: str) -> str:
    """Choose one of the comma-separated words."""
    return str(random.choice(words.split(",")))


def creature_name(random: Generator) -> str:
    """Make up a creature's name."""
    name = choose_word(random, NAME_STARTS) + choose_word(random, NAME_ENDS)
    return f"{name} of {choose_word(random, NAME_ORIGINS)}" if random.random() < 0.4 else name


def player_name(random: Generator) -> str:
    """Make up a ballplayer's name."""
    return f"{choose_word(random, FIRST_NAMES)} {choose_word(random, LAST_NAMES)}"


def sentences(random: Generator, words: str, count: int) -> list[str]:
    """Make up lines of 6 to 8 of the comma-separated words."""
    lines = []
    for _ in range(count):
        line = " ".join(choose_word(random, words) for _ in range(int(random.integers(6, 9))))
        lines.append(line.capitalize() + ("." if random.random() < 0.5 else ""))
    return lines
