"""TCP connections that end with the job on whose behalf they are made."""

import socket

from acrmirror.cancel import Cancel, awaited, bound_cancel


def shut(connection: socket.socket) -> None:
    """Wakes whoever waits for it, from any thread; they see it broken."""
    try:
        # The plain shutdown: TLS's own would make the other thread read what is still encrypted.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:
        return


def connect(host: str, port: int, timeout: float) -> socket.socket:
    """A TCP connection; one that is still being made, or whose host is still being looked up, ends with the job that
    this thread is bound to."""
    cancel = bound_cancel() or Cancel()
    failure = OSError(f"{host} has no address")
    found = awaited(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    for family, kind, protocol, _, address in found:
        connection = socket.socket(family, kind, protocol)
        forget = cancel.on_set(lambda made=connection: shut(made))  # type: ignore[misc]
        try:
            cancel.check()
            connection.settimeout(timeout)
            connection.connect(address)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            failure = error
            connection.close()
        except BaseException:
            connection.close()
            raise
        else:
            return connection
        finally:
            forget()
    raise failure
