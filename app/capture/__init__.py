"""Where frames come from: cameras, clips, stills and the demo."""
