/**
 * A server that answers before it has the whole request still waits for the rest of it: its connection must not be
 * given to another request, which would be read as that rest.
 */
import t from 'tap';
import { startHarness } from '../../fixtures/proxy-harness.js';
import { exchangeOnce, OK, rawClient, startOrigin } from '../../fixtures/raw-http.js';

t.test('a client that closes after an early answer leaves no half request behind', async (t) => {
	const seen: string[] = [];
	const origin = await startOrigin(({ socket, method, path }) => {
		seen.push(`${method} ${path}`);
		socket.write(OK('early'));
	});
	const harness = await startHarness(`
defaults
	mode http
	http-reuse always
	timeout client 5s
	timeout server 5s
	timeout connect 2s
listen fe
	bind 127.0.0.1:0
	server s1 127.0.0.1:${origin.port}
`);
	t.teardown(async () => {
		await harness.close();
		await origin.close();
	});
	const client = await rawClient(harness.port('fe'));
	client.send('POST /half HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1000\r\n\r\nbegins');
	t.match(await client.end(), /early$/);
	t.equal(harness.backends.get('fe')?.backend.servers[0]?.idle.idleCount, 0, 'nothing rests in the pool');
	const next = await exchangeOnce(harness.port('fe'), 'GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
	t.match(next, /^HTTP\/1\.1 200[\s\S]*early$/);
	t.same(seen, ['POST /half', 'GET /next']);
});
