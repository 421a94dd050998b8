/** Reloads that change tables, and reloads that are too many. */
import t from 'tap';
import { keptConnection, RawClient, request } from '../fixtures/http-client.js';
import { Load } from '../fixtures/load.js';
import { startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';
import { ANSWERING, COUNTING, countOf, reload, rewrite } from './reload-support.js';

t.setTimeout(110_000);

t.test('a table that changes: size, types, key length, expire', async (t) => {
	const program = await startProgram(t, { config: COUNTING, ports: 1 });
	const held = keptConnection();
	t.teardown(() => held.destroy());
	await request(program.port(), '/', { agent: held, headers: { 'x-key': 'held' } });
	const load = new Load({ port: program.port(), keptClients: 5, newClients: 3, pauseMs: 5 });
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
	t.ok(await program.says(/stick-table declared otherwise: its entries were moved/));
	for (const client of load.clients) {
		await waitFor(
			`${client.key} to read ${client.answered}`,
			async () => (await countOf(program, client.key)) === client.answered,
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
	t.ok(await program.says(/mworker-max-reloads reached/));
});
