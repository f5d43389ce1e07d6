"""One Nipype interface per step: open, call, save. Whatever is heavy is imported when an interface runs."""
