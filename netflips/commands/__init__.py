"""The commands: the options of each, and its work but for the steps of a dub. Commands of whole folders (`evaluate`, `serve`, the
avatar's `dialogue`) lie there, above this one."""
