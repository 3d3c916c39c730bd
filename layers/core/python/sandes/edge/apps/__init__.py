"""The app API: signed requests, and routes by subject (`…_http`)."""
