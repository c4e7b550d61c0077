"""The portal: everything a person sees, save signing in and agreeing."""
