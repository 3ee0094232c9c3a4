"""Where images come from: the Imaging Data Commons, NBIA, a folder, or the phantom; fetched and checked."""
