# Puma removes the socket of an earlier run by itself.
bind "unix://#{ENV.fetch("LAUNCH_PROGRAM_SOCKET_PATH")}"
rackup "/Users/sam/hello/config.ru"
