"""The maps of trained networks: of a method, of a changed TextBCS, with further seeds."""
