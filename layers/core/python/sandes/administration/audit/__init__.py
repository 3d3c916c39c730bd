"""The record of every act of administration: written with the act, read, exported, witnessed by the hour."""
