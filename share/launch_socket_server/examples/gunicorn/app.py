def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"hello from gunicorn, {environ['REMOTE_ADDR']}\n".encode()]
