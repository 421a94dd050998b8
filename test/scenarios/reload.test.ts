/**
 * Reloads under load: no request fails, and every key's count is what its client saw. The long forms, and
 * memory, are in test/bench/reload.ts.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { connect, createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { keptConnection, RawClient, request } from '../fixtures/http-client.js';
import { Load } from '../fixtures/load.js';
import { accepts } from '../fixtures/ports.js';
import { type Program, startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

t.setTimeout(110_000);

const DEFAULTS = `
defaults
  mode http
  timeout client 30s
  timeout server 30s
  timeout connect 5s
`;
const COUNTING = `
global
  nbthread 2
${DEFAULTS}
backend keys
  stick-table type string len 32 size 10k expire 10m store http_req_cnt,http_req_rate(10s),conn_cur
backend sources
  stick-table type ip size 1k expire 10m store conn_cur,conn_cnt
frontend f
  bind 127.0.0.1:\${port1}
  http-request return status 200 content-type text/plain lf-string "%[req.hdr(x-key),table_http_req_cnt(keys)] %[req.hdr(x-key),table_conn_cur(keys)] %[src,table_conn_cur(sources)]" if { path /read }
  tcp-request connection track-sc1 src table sources
  http-request track-sc0 req.hdr(x-key) table keys
  http-request return status 200 content-type text/plain lf-string "%[sc_http_req_cnt(0)]"
`;

/** How many reloads the program has said it made. */
function reloads(program: Program): number {
	return program.stderr.split('reload succeeded').length - 1;
}

async function reload(program: Program): Promise<void> {
	const before = reloads(program);
	program.child.kill('SIGUSR2');
	await waitFor('the reload', () => reloads(program) > before);
}

async function countOf(program: Program, key: string): Promise<number> {
	const answer = await request(program.port(), '/read', { headers: { 'x-key': key } });
	return Number(answer.body.split(' ')[0]);
}

t.test('reloads under load: nothing fails, every count is exact', async (t) => {
	const program = await startProgram(t, { config: COUNTING, ports: 1 });
	const load = new Load({ port: program.port(), keptClients: 6, newClients: 4, pauseMs: 2 });
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

/** Changes the conf file. */
function rewrite(program: Program, change: (text: string) => string): void {
	writeFileSync(program.configPath, change(readFileSync(program.configPath, 'latin1')));
}

const ANSWERING = `
global
  nbthread 2
${DEFAULTS}
frontend f
  bind 127.0.0.1:\${port1}
  http-request return status 200 content-type text/plain string first
`;

const HEAD = 'GET / HTTP/1.1\r\nhost: x\r\n\r\n';

t.test('connections of the former configuration: served, told to close, closed when they rest', async (t) => {
	const program = await startProgram(t, { config: ANSWERING, ports: 1 });
	const silent = await RawClient.connect(program.port());
	const kept = await RawClient.connect(program.port());
	const resting = await RawClient.connect(program.port());
	for (const client of [kept, resting]) client.send(HEAD);
	await waitFor('answers', () => kept.received.endsWith('first') && resting.received.endsWith('first'));
	rewrite(program, (text) => text.replace('string first', 'string second'));
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
	t.match(program.stderr, /hard-stop-after reached/);
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
	const load = new Load({ port: program.port(), keptClients: 4, newClients: 2, pauseMs: 2 });
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
	t.match(program.stderr, /reload failed/);
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

t.test('a table that changes: size, types, key length, expire', async (t) => {
	const program = await startProgram(t, { config: COUNTING, ports: 1 });
	const held = keptConnection();
	t.teardown(() => held.destroy());
	await request(program.port(), '/', { agent: held, headers: { 'x-key': 'held' } });
	const load = new Load({ port: program.port(), keptClients: 5, newClients: 3, pauseMs: 2 });
	for (const [from, to] of [
		['size 10k', 'size 20k'],
		['store http_req_cnt,', 'store gpc0,http_req_cnt,'],
		['len 32', 'len 48'],
		['expire 10m', 'expire 20m'],
		['size 20k', 'size 5k'],
	] as const) {
		const before = load.answered;
		await waitFor('answers between reloads', () => load.answered > before + 80);
		rewrite(program, (text) => text.replace(from, to));
		await reload(program);
	}
	await load.stop();
	t.same(load.failures, []);
	t.match(program.stderr, /stick-table declared otherwise: its entries were moved/);
	for (const client of load.clients) {
		await waitFor(
			`${client.key} to read ${client.answered}`,
			async () => (await countOf(program, client.key)) === client.answered,
			5_000,
		);
	}
	t.equal(await countOf(program, 'held'), 1);

	// conn_cur of a table that changes twice while a connection stands, which closes then.
	const current = async (): Promise<number> => Number((await request(program.port(), '/read')).body.split(' ')[2]);
	const silent = await RawClient.connect(program.port());
	await waitFor('the connection to be counted', async () => (await current()) === 2);
	for (const [from, to] of [
		['size 1k expire', 'size 2k expire'],
		['size 2k expire', 'size 3k expire'],
	] as const) {
		rewrite(program, (text) => text.replace(from, to));
		await reload(program);
		t.equal(await current(), 2, `${to}: the old connection and the one that asks`);
	}
	silent.close();
	await waitFor('conn_cur to be given back', async () => (await current()) === 1);

	// A table that is to be forgotten.
	rewrite(program, (text) => text.replace('nbthread 2', 'nbthread 2\n  tune.reload.keep-tables off'));
	await reload(program);
	t.equal(await countOf(program, 'held'), 0);
});

t.test('mworker-max-reloads', async (t) => {
	const program = await startProgram(t, {
		config: ANSWERING.replace('nbthread 2', 'nbthread 1\n  mworker-max-reloads 1'),
		ports: 1,
	});
	const silent = await RawClient.connect(program.port());
	await request(program.port());
	await reload(program);
	t.equal(silent.ended, false);
	await reload(program);
	await waitFor('the old connection to be closed', () => silent.ended);
	t.match(program.stderr, /mworker-max-reloads reached/);
});

t.test('a soak: descriptors and threads as at the start', async (t) => {
	const config = `${COUNTING.replace('%[sc_http_req_cnt(0)]', '%pid')}`;
	const program = await startProgram(t, { config, ports: 1 });
	const workerPid = Number((await request(program.port())).body);
	const census = (pid: number): { threads: number; descriptors: number } => ({
		threads: readdirSync(`/proc/${pid}/task`).length,
		descriptors: readdirSync(`/proc/${pid}/fd`).length,
	});
	const settled = (pid: number): Promise<ReturnType<typeof census>> =>
		waitFor('old threads to leave', () => {
			const seen = census(pid);
			return seen.threads <= first.threads && seen;
		});
	await reload(program);
	const masterPid = program.child.pid ?? 0;
	const first = census(workerPid);
	const firstOfMaster = census(masterPid);
	for (let round = 0; round < 20; round++) await reload(program);
	const last = await settled(workerPid);
	t.equal(last.descriptors, first.descriptors);
	t.equal(last.threads, first.threads);
	t.same(census(masterPid), firstOfMaster);
});
