"""Environment variables -> Settings, or every problem with them at once.

`Settings` declares each variable once, with type, parser, default and meaning. `load` reads them
all, `load_jwt` only those for tokens, `load_admin_token` the operator's token alone. The
environment is passed in.
"""

from .environment import load, load_admin_token, load_jwt
from .invalid import Problem, SettingsError
from .table import JwtSettings, Settings, UpstreamSettings, key_files
from .values import NO_STORE, LogCaller, LogFormat, LogLevel, Network, RateLimit
from .variable import Variable, variables
