"""What `import netflips` gives; `__init__.py` loads each name when it is used."""

from avcore.errors import NetflipsError as NetflipsError
from avcore.units import Units as Units
from netflips.api import dub as dub
from netflips.api import info as info
from netflips.api import lip2speech as lip2speech
from netflips.api import lipsync as lipsync
from netflips.api import portrait as portrait
from netflips.api import read_script as read_script
from netflips.api import say as say
from netflips.api import transcribe as transcribe
from netflips.api import write_script as write_script
from netflips.commands.options import LipSpeechOptions as LipSpeechOptions
from netflips.commands.options import LipsyncOptions as LipsyncOptions
from netflips.commands.options import PortraitOptions as PortraitOptions
from netflips.commands.options import SayOptions as SayOptions
from netflips.commands.options import TranscribeOptions as TranscribeOptions
from netflips.dubbing.options import DubOptions as DubOptions
from netflips.live.options import LiveOptions as LiveOptions
from netflips.loaded import Loaded as Loaded
from netflips.loaded import load as load

__version__: str
