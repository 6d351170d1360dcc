"""Remote control: commands, who carries them out, and the local WebSocket they come by."""
