/**
 * Reloads under load: no request fails, and every key's count is what its client saw. The long forms, and
 * memory, are in test/bench/reload.ts.
 */
import { readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { connect, createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { RawClient, request } from '../fixtures/http-client.js';
import { Load } from '../fixtures/load.js';
import { accepts } from '../fixtures/ports.js';
import { startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

import { ANSWERING, COUNTING, countOf, DEFAULTS, HEAD, reload, reloads, rewrite } from './reload-support.js';

t.setTimeout(110_000);

t.test('reloads under load: nothing fails, every count is exact', async (t) => {
	const program = await startProgram(t, { config: COUNTING, ports: 1 });
	const load = new Load({ port: program.port(), keptClients: 6, newClients: 4, pauseMs: 5 });
	for (let round = 0; round < 5; round++) {
		const before = load.answered;
		await waitFor('answers between reloads', () => load.answered > before + 100);
		await reload(program);
	}
	await load.stop();
	t.same(load.failures, []);
	t.equal(reloads(program), 5);
	t.ok(load.clients.some(({ closedWithAnswer }) => closedWithAnswer > 0));
	for (const client of load.clients) {
		t.equal(client.refused, 0);
		t.equal(Number(client.lastBody), client.answered, `${client.key}: the last answer`);
		t.equal(await countOf(program, client.key), client.answered, `${client.key}: the table`);
	}
	await waitFor('conn_cur to be given back', async () => {
		const { body } = await request(program.port(), '/read', { headers: { 'x-key': 'kept0' } });
		return body.endsWith(' 0 1');
	});
});

t.test('connections of the former configuration: served, told to close, closed when they rest', async (t) => {
	// The second frontend leaves connections that rest alone, so that a slow machine does not close them first.
	const patient = `
frontend patient
  bind 127.0.0.1:\${port2}
  option idle-close-on-response
  http-request return status 200 content-type text/plain string first
`;
	const program = await startProgram(t, { config: `${ANSWERING}${patient}`, ports: 2 });
	const silent = await RawClient.connect(program.port());
	const kept = await RawClient.connect(program.port(2));
	const resting = await RawClient.connect(program.port());
	for (const client of [kept, resting]) client.send(HEAD);
	await waitFor('answers', () => kept.received.endsWith('first') && resting.received.endsWith('first'));
	rewrite(program, (text) => text.replaceAll('string first', 'string second'));
	await reload(program);
	t.equal((await request(program.port())).body, 'second');
	kept.received = '';
	kept.send(HEAD);
	await waitFor('the last answer', () => kept.ended);
	t.match(kept.received, /^HTTP\/1\.1 200 .*connection: close.*first$/s);
	const restingMs = performance.now();
	await waitFor('the connection that rests to be closed', () => resting.ended);
	t.comment(`closed after ${Math.round(performance.now() - restingMs)} ms more`);
	silent.send(HEAD);
	await waitFor('an answer to who had not asked yet', () => silent.ended);
	t.match(silent.received, /^HTTP\/1\.1 200 .*connection: close.*first$/s);
	for (const client of [silent, kept, resting]) client.close();
});

t.test('option idle-close-on-response, close-spread-time infinite, hard-stop-after', async (t) => {
	const program = await startProgram(t, {
		config: ANSWERING.replace('frontend f', 'frontend f\n  option idle-close-on-response').replace(
			'nbthread 2',
			'nbthread 1\n  hard-stop-after 3s',
		),
		ports: 1,
	});
	const resting = await RawClient.connect(program.port());
	resting.send(HEAD);
	await waitFor('an answer', () => resting.received.endsWith('first'));
	const beganMs = performance.now();
	await reload(program);
	await waitFor('hard-stop-after', () => resting.ended);
	t.ok(performance.now() - beganMs > 2_000, 'a connection that rests is left alone until then');
	t.ok(await program.says(/hard-stop-after reached/));
	resting.close();

	rewrite(program, (text) => text.replace('hard-stop-after 3s', 'close-spread-time infinite'));
	await reload(program);
	const kept = await RawClient.connect(program.port());
	kept.send(HEAD);
	await waitFor('an answer', () => kept.received.endsWith('first'));
	await reload(program);
	for (let count = 2; count < 5; count++) {
		kept.send(HEAD);
		await waitFor('another answer', () => kept.received.split('first').length > count);
	}
	t.notMatch(kept.received, /connection: close/);
	kept.close();
});

t.test('a long answer and a tunnel outlive the reload', async (t) => {
	let answering: ServerResponse | undefined;
	const origin = createServer((_request, response) => {
		response.writeHead(200, { 'content-length': 200_000 });
		response.write(Buffer.alloc(100_000, 'a'));
		answering = response;
	});
	origin.on('upgrade', (_request, socket) => {
		socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n');
		socket.on('data', (bytes) => socket.write(bytes));
		socket.on('error', () => socket.destroy());
	});
	await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
	t.teardown(() => origin.closeAllConnections());
	t.teardown(() => origin.close());
	const { port } = origin.address() as { port: number };
	const config = `
global
  nbthread 1
${DEFAULTS}
listen f
  bind 127.0.0.1:\${port1}
  server s 127.0.0.1:${port}
`;
	const program = await startProgram(t, { config, ports: 1 });
	const long = request(program.port());
	const tunnel = await RawClient.connect(program.port());
	tunnel.send('GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n');
	await waitFor('the tunnel', () => tunnel.received.includes('101') && answering);
	await reload(program);
	await reload(program);
	tunnel.received = '';
	tunnel.send('still there');
	await waitFor('the echo', () => tunnel.received === 'still there');
	answering?.end(Buffer.alloc(100_000, 'b'));
	t.equal((await long).body.length, 200_000);
	tunnel.close();
});

t.test('many reloads at once, and one at the very start', async (t) => {
	const program = await startProgram(t, { config: COUNTING, ports: 1, readyPorts: [] });
	await waitFor('signals to be understood', () => program.stderr.length >= 0);
	await waitFor('the listener', () => accepts(program.port()));
	program.child.kill('SIGUSR2');
	const load = new Load({ port: program.port(), keptClients: 4, newClients: 2, pauseMs: 5 });
	await waitFor('the reload at the start', () => reloads(program) >= 1);
	for (let i = 0; i < 10; i++) {
		program.child.kill(i % 2 === 0 ? 'SIGUSR2' : 'SIGHUP');
		await new Promise((resolve) => setTimeout(resolve, 50));
	}
	rewrite(program, (text) => text.replace('"%[sc_http_req_cnt(0)]"', '"%[sc_http_req_cnt(0)] last"'));
	program.child.kill('SIGUSR2');
	await waitFor('the last of the reloads', async () => (await request(program.port())).body.endsWith('last'));
	await load.stop();
	t.same(load.failures, []);
	t.notMatch(program.stderr, /reload failed/);
	for (const client of load.clients) t.equal(await countOf(program, client.key), client.answered, client.key);
});

t.test('bind lines that come, go and change', async (t) => {
	const config = ANSWERING.replace('\n  http-request', `\n  bind unix@\${dir}/a.sock mode 600\n  http-request`);
	const program = await startProgram(t, { config, ports: 3 });
	const [one, two, three] = [program.port(1), program.port(2), program.port(3)];
	const unix = (name: string): Promise<boolean> =>
		new Promise((resolve) => {
			const socket = connect(join(program.folder, name));
			socket.once('connect', () => resolve(true));
			socket.once('error', () => resolve(false));
			socket.once('connect', () => socket.destroy());
		});
	t.ok(await unix('a.sock'));
	rewrite(program, (text) =>
		text.replace(`:${one}\n`, `:${two}\n  bind 127.0.0.1:${three}\n`).replace('a.sock', 'b.sock'),
	);
	await reload(program);
	t.equal((await request(two)).status, 200);
	t.equal((await request(three)).status, 200);
	await waitFor('the address that went to be closed', async () => !(await accepts(one)));
	t.ok(await unix('b.sock'));
	t.notOk(await unix('a.sock'));

	// An address that another program has: everything stays as it is, the sockets bound for it included.
	const other = createTcpServer();
	await new Promise<void>((resolve) => other.listen(one, '127.0.0.1', resolve));
	t.teardown(() => other.close());
	const text = readFileSync(program.configPath, 'latin1');
	rewrite(program, () => text.replace('b.sock', 'c.sock').replace(`:${three}\n`, `:${one}\n`));
	program.child.kill('SIGUSR2');
	await waitFor('the complaint', () => program.stderr.includes(`Address already in use) [127.0.0.1:${one}]`));
	t.ok(await program.says(/reload failed/));
	t.equal((await request(three)).status, 200);
	t.ok(await unix('b.sock'));
	t.notOk(await unix('c.sock'));

	// A file that is missing, and one with a mistake.
	rewrite(program, () => text.replace('string first', 'file /no/such/file'));
	program.child.kill('SIGUSR2');
	await waitFor('the complaint', () => program.stderr.split('reload failed').length === 3);
	t.equal((await request(two)).body, 'first');
	rewrite(program, () => text.replace('string first', 'string second'));
	await reload(program);
	t.equal((await request(two)).body, 'second');
});
