"""Text on cards and labels, in fonts that come with matplotlib, which a dependency of ours needs anyway."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFont

from engine.errors import BadInput

Face = Literal["sans", "bold", "serif", "serif_bold", "italic", "mono"]
FILES: dict[Face, str] = {
    "sans": "DejaVuSans.ttf",
    "bold": "DejaVuSans-Bold.ttf",
    "serif": "STIXGeneral.ttf",
    "serif_bold": "STIXGeneralBol.ttf",
    "italic": "STIXGeneralItalic.ttf",
    "mono": "DejaVuSansMono.ttf",
}
Align = Literal["left", "middle", "right"]
Colour = tuple[int, int, int]

# Words to choose from, parted by commas.
FIRST = "Ash,Bram,Cor,Dra,El,Fen,Gor,Hal,Il,Jor,Kel,Lor,Mar,Nor,Or,Pyr,Quil,Rav,Sol,Thal,Ul,Ver,Wyr,Xan,Yr,Zeph"
LAST = "adan,beth,crow,dral,eon,fang,grim,horn,is,keth,lume,mire,nox,oth,path,rune,shade,thorn,und,vale,wing,yre"
OF = "Ember,Tides,Hollow,Stone,Glass,Night,Roots,Storm,Ash,Dawn,Iron,Salt,Bone,Moss,Brass,Echo,Frost"
GIVEN = "Abe,Buck,Cal,Dutch,Earl,Floyd,Gus,Hank,Irv,Jake,Lefty,Mel,Ned,Otto,Pete,Red,Sal,Tug,Walt,Zeke"
FAMILY = "Ardmore,Bellows,Crandall,Dunmore,Ellery,Fosco,Gantry,Hobart,Ingle,Jessup,Kilroy,Lombard,Mather,Nolan"
TEAMS = "Harbor Gulls,River Kings,Mill Town Oaks,Copper Foxes,Bay Lanterns,Plains Comets,Hill Badgers"
PLACES_ON_FIELD = "PITCHER,CATCHER,FIRST BASE,SHORTSTOP,OUTFIELD,THIRD BASE"
KINDS = "Beast,Spirit,Relic,Rite,Warden,Wurm,Construct,Seer"
RULES = (
    "when,this,enters,play,draw,a,card,then,each,rival,loses,two,life,choose,one,target,guard,gains,strength,until,"
    "end,of,turn,you,may,pay,for,every,ember,in,your,pile,deal,three,to,any,foe,if,it,would,leave,return,instead,"
    "tapped,creatures,cannot,block,while,the,moon,is,high,shuffle,reveal,top,and,keep,what,shines"
)
DEEDS = (
    "led,the,circuit,in,doubles,and,stole,home,twice,before,a,broken,wrist,ended,his,summer,came,up,from,harvest,"
    "league,to,hit,first,pitch,over,fence,likes,fishing,winters,on,farm,with,brothers,fast,hands,strong,arm,sure,"
    "glove,played,every,game,last,season"
)


@cache
def font(face: Face, size_px: int) -> ImageFont.FreeTypeFont:
    """A font of that height in pixels. Raises BadInput where matplotlib's fonts are missing."""
    package = find_spec("matplotlib")
    folder = Path(package.origin).parent if package and package.origin else None
    path = folder / "mpl-data" / "fonts" / "ttf" / FILES[face] if folder else None
    if path is None or not path.is_file():
        raise BadInput(f"the font {FILES[face]} is missing; it comes with matplotlib: pip install matplotlib")
    return ImageFont.truetype(path, max(4, size_px))


def write(
    rgb: np.ndarray,
    words: str,
    at: tuple[float, float],
    *,
    size_px: float,
    colour: Colour,
    face: Face = "sans",
    align: Align = "left",
    most_px: float | None = None,
) -> None:
    """Write one line onto a (H, W, 3) uint8 picture, in place.

    at       where its line's left end, middle or right end is, vertically its middle
    most_px  it is written smaller where it would be longer
    """
    size = round(size_px)
    length = font(face, size).getlength(words)
    if most_px is not None and length > most_px:
        size = int(size * most_px / length)
        length = font(face, size).getlength(words)
    anchor: dict[Align, float] = {"left": 0.0, "middle": length / 2, "right": length}
    left, top = round(at[0] - anchor[align]), round(at[1] - size * 0.7)
    canvas = Image.new("L", (int(length) + 4, round(size * 1.4)))
    ImageDraw.Draw(canvas).text((1, canvas.height / 2), words, fill=255, font=font(face, size), anchor="lm")
    blend(rgb, np.asarray(canvas), left, top, colour)


def blend(rgb: np.ndarray, mask: np.ndarray, left: int, top: int, colour: Colour) -> None:
    """Lay a colour through a uint8 mask whose top left is there; what hangs over the picture is cut off."""
    rows = slice(max(top, 0), min(top + mask.shape[0], rgb.shape[0]))
    columns = slice(max(left, 0), min(left + mask.shape[1], rgb.shape[1]))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    part = mask[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    under = rgb[rows, columns]
    alpha = part[..., None].astype(np.float32) / 255
    under[:] = (under + alpha * (np.array(colour, np.float32) - under)).astype(np.uint8)


def one_of(random: Generator, words: str) -> str:
    """One of the words that commas part."""
    return str(random.choice(words.split(",")))


def creature_name(random: Generator) -> str:
    """A made-up name."""
    name = one_of(random, FIRST) + one_of(random, LAST)
    return f"{name} of {one_of(random, OF)}" if random.random() < 0.4 else name


def player_name(random: Generator) -> str:
    """A made-up ballplayer."""
    return f"{one_of(random, GIVEN)} {one_of(random, FAMILY)}"


def sentences(random: Generator, words: str, count: int) -> list[str]:
    """A few made-up lines of those words."""
    lines = []
    for _ in range(count):
        chosen = " ".join(one_of(random, words) for _ in range(int(random.integers(6, 9))))
        lines.append(chosen.capitalize() + ("." if random.random() < 0.5 else ""))
    return lines
