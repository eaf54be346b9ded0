"""How Korean text is read aloud: numerals, counters, Latin letters, signs; and how it is pronounced."""
