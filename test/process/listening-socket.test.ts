import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { socketKey } from '../../lib/core/address.js';
import { HoldfastError } from '../../lib/core/errors.js';
import { bindSocket, type SocketRequest } from '../../lib/process/listening-socket.js';

function request(address: SocketRequest['address'], mode?: number): SocketRequest {
	return {
		key: socketKey(address),
		address,
		v6only: false,
		mode,
		uid: undefined,
		gid: undefined,
		acceptedBy: 'data threads',
		wantedBy: 'frontend f',
	};
}

t.test('a bound socket is not listened on until a worker does, and is bound once', async (t) => {
	const socket = bindSocket(request({ kind: 'ip', address: '127.0.0.1', family: 4, port: 0 }));
	t.ok(socket.handle.fd > 2);
	const server = net.createServer();
	await new Promise<void>((resolve) => server.listen({ fd: socket.handle.fd }, resolve));
	const { port } = server.address() as net.AddressInfo;
	const refused = (): unknown => bindSocket(request({ kind: 'ip', address: '127.0.0.1', family: 4, port }));
	t.throws(refused, { code: 'BIND_FAILED', message: /frontend f: cannot bind socket \(Address already in use\)/ });
	await new Promise((resolve) => server.close(resolve));
});

t.test('a unix socket replaces the one before it, with its rights, and is removed at the end', async (t) => {
	const folder = mkdtempSync(join(tmpdir(), 'holdfast-'));
	t.teardown(() => rmSync(folder, { recursive: true }));
	const path = join(folder, 'listen.sock');
	const older = bindSocket(request({ kind: 'unix', path, abstract: false }));
	const before = statSync(path).ino;
	const newer = bindSocket(request({ kind: 'unix', path, abstract: false }, 0o600));
	t.not(statSync(path).ino, before);
	t.equal(statSync(path).mode & 0o777, 0o600);
	t.same(readdirSync(folder), ['listen.sock']);
	newer.close();
	t.same(readdirSync(folder), []);
	older.close();
});

t.test('a file that is not a socket is not replaced', async (t) => {
	const folder = mkdtempSync(join(tmpdir(), 'holdfast-'));
	t.teardown(() => rmSync(folder, { recursive: true }));
	const path = join(folder, 'precious');
	writeFileSync(path, 'data');
	t.throws(() => bindSocket(request({ kind: 'unix', path, abstract: false })), HoldfastError);
	t.same(readdirSync(folder), ['precious']);
});
