/**
 * Closes a connection so that the other side sees a break and not an end. TCP has the reset for it; a unix socket has none,
 * and Node throws where one is asked for, as it does under TLS: those are just closed.
 */
export function resetSocket(socket: { resetAndDestroy(): unknown; destroy(): unknown }): void {
	try {
		socket.resetAndDestroy();
	} catch {
		socket.destroy();
	}
}
