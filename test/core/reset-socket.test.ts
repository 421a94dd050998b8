/** A reset is one where there is such a thing, and an end elsewhere; it never throws. */
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { resetSocket } from '../../lib/core/reset-socket.js';

/** How a client's connection ends when the server resets it. */
function endOf(
	t: { teardown(callback: () => void): unknown },
	where: { port: number; host: string } | { path: string },
): Promise<string> {
	return new Promise((resolve) => {
		const server = createServer((socket: Socket) => resetSocket(socket));
		t.teardown(() => {
			server.close();
		});
		server.listen(where, () => {
			const address = server.address();
			const client = connect(typeof address === 'object' && address !== null ? { port: address.port } : where);
			client.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
			client.once('end', () => resolve('end'));
			client.resume();
		});
	});
}

t.test('TCP', async (t) => {
	t.equal(await endOf(t, { port: 0, host: '127.0.0.1' }), 'ECONNRESET');
});

t.test('a unix socket', async (t) => {
	t.equal(await endOf(t, { path: join(t.testdir(), 'socket') }), 'end');
});
