"""Small real fakes shared by the tests."""
