/** Reloads that change tables, that are too many, and very many of them. */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { keptConnection, RawClient, request } from '../fixtures/http-client.js';
import { Load } from '../fixtures/load.js';
import { type Program, startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';
import { ANSWERING, COUNTING, countOf, reload, rewrite } from './reload-support.js';

t.setTimeout(110_000);

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
	const seen = async (): Promise<number> => Number((await request(program.port(), '/seen')).body);
	let connections = await seen();
	for (const [from, to] of [
		['size 1k expire', 'size 2k expire'],
		['size 2k expire', 'size 3k expire'],
		['type ip size 3k', 'type ipv6 size 3k'],
		['type ipv6 size 3k', 'type ip size 2k'],
	] as const) {
		rewrite(program, (text) => text.replace(from, to));
		await reload(program);
		t.equal(await current(), 2, `${to}: the old connection and the one that asks`);
		connections++;
		t.equal(await seen(), ++connections, `${to}: every connection is remembered`);
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

interface Census {
	readonly threads: number;
	readonly descriptors: number;
}

function census(pid: number): Census {
	return { threads: readdirSync(`/proc/${pid}/task`).length, descriptors: readdirSync(`/proc/${pid}/fd`).length };
}

/** Of the worker's control thread, after a collection. */
async function memoryOf(program: Program): Promise<{ buffersKb: number; heapKb: number }> {
	const said = (): RegExpMatchArray[] => [...program.stderr.matchAll(/memory: buffers (\d+) kB, heap (\d+) kB/g)];
	const before = said().length;
	process.kill(program.workers[0] ?? 0, 'SIGWINCH');
	await waitFor('the worker to say', () => said().length > before);
	const [, buffers, heap] = said().at(-1) ?? [];
	return { buffersKb: Number(buffers), heapKb: Number(heap) };
}

t.test('a soak: descriptors, threads, memory and processes as at the start', async (t) => {
	const config = `${COUNTING}
peers all
  peer here 127.0.0.1:\${port2}
  peer there 127.0.0.1:1
`.replace('nbthread 2', 'nbthread 2\n  localpeer here\n  stats socket ${dir}/stats');
	const probe = fileURLToPath(new URL('../fixtures/memory-probe.mjs', import.meta.url));
	const env = { NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import=${probe}`.trim() };
	const program = await startProgram(t, { config, ports: 2, env });
	const [workerPid = 0] = program.workers;
	const masterPid = program.child.pid ?? 0;
	const settled = (most: Census): Promise<Census> =>
		waitFor('old threads to leave', () => {
			const seen = census(workerPid);
			return seen.threads <= most.threads && seen.descriptors <= most.descriptors && seen;
		});
	const before = census(workerPid);
	// The first reloads fill caches and heaps.
	for (let round = 0; round < 4; round++) await reload(program);
	const first = await settled({ ...before, descriptors: before.descriptors + 1 });
	const firstOfMaster = census(masterPid);
	const firstMemory = await memoryOf(program);
	for (let round = 0; round < 10; round++) await reload(program);
	const last = await settled(first);
	t.ok(last.descriptors <= first.descriptors);
	t.ok(last.threads <= first.threads);
	// Each configuration that stayed would keep megabytes of buffers.
	const lastMemory = await memoryOf(program);
	t.ok(
		lastMemory.buffersKb < firstMemory.buffersKb + 2048,
		`buffers: ${firstMemory.buffersKb}, ${lastMemory.buffersKb} kB`,
	);
	t.ok(lastMemory.heapKb < firstMemory.heapKb + 2048, `heap: ${firstMemory.heapKb}, ${lastMemory.heapKb} kB`);

	// Reloads that fail late, when sockets have been handed over: a certificate that is not there.
	rewrite(program, (text) => text.replace('peer there 127.0.0.1:1', 'peer there 127.0.0.1:1 ssl crt /nowhere.pem'));
	const failures = (): number => program.stderr.split('reload failed').length - 1;
	for (let round = 0; round < 3; round++) {
		const failed = failures();
		program.child.kill('SIGUSR2');
		await waitFor('the reload to fail', () => failures() > failed);
	}
	await settled(last);
	t.match(program.stderr, /nowhere\.pem/);
	t.same(program.workers, [workerPid]);
	t.equal(census(masterPid).descriptors, firstOfMaster.descriptors);
});
