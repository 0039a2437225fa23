-- A note that an activity takes has a key from now on, so that a repeat is none.
DROP FUNCTION IF EXISTS note_event(text, text, text, text, text);
