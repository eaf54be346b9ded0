from netflips.api import analyse as analyse
from netflips.api import avatar as avatar
from netflips.api import dub as dub
from netflips.api import extract as extract
from netflips.api import lip2speech as lip2speech
from netflips.api import lipsync as lipsync
from netflips.api import portrait as portrait
from netflips.api import render as render
from netflips.api import say as say
from netflips.api import transcribe as transcribe
from netflips.api import translate as translate

__version__: str
