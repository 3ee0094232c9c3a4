"""The trainings: of a method, of a changed TextBCS, with further seeds; one function for all."""
