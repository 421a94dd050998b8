/**
 * Reloads, measured. Build first (`npm run build`), then
 *
 *     npx tsx test/bench/reload.ts count [reloads] [seconds] [holdfast|haproxy]
 *         load while the program is reloaded: failed requests, and by how much the counts of the keys differ
 *         from what their clients saw (10 reloads in 20 s by default)
 *     npx tsx test/bench/reload.ts soak [reloads]
 *         memory, descriptors, threads after so many reloads (1000 by default)
 *     npx tsx test/bench/reload.ts tables [entries]
 *         a reload with a table of a million entries that stays as it is, one with a table that changes, one
 *         after a crash: how long, and the slowest answer that a probing client saw meanwhile
 *     npx tsx test/bench/reload.ts handoff [entries]
 *         the table of one process to another that is started with `-sf`, over their local peer: Holdfast to
 *         Holdfast, Holdfast to HAProxy, HAProxy to HAProxy, HAProxy to Holdfast
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { StickTableModel } from '../../lib/config/model.js';
import { IpAddress } from '../../lib/core/address.js';
import { systemClock } from '../../lib/core/clock.js';
import { SnapshotSource } from '../../lib/stick-table/snapshot.js';
import { StickTable } from '../../lib/stick-table/table.js';
import { request } from '../fixtures/http-client.js';
import { Load } from '../fixtures/load.js';
import { type Program, spawnProgram, startProgram } from '../fixtures/program.js';
import { waitFor } from '../fixtures/wait-for.js';

const cleanups: (() => void | Promise<void>)[] = [];
const t = { teardown: (callback: () => void | Promise<void>) => cleanups.push(callback) };
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const print = (text: string): void => {
	process.stdout.write(`${text}\n`);
};

const DEFAULTS = `
defaults
  mode http
  timeout client 30s
  timeout server 30s
  timeout connect 5s
`;

/** The local peer is how HAProxy hands its tables over; Holdfast needs none. */
const countConfig = (isHaproxy: boolean): string =>
	`
global
  nbthread 2
  ${isHaproxy ? 'stats socket ${dir}/stats level admin' : ''}
${DEFAULTS}
${isHaproxy ? 'peers self\n  peer here 127.0.0.1:${port2}' : ''}
backend keys
  stick-table type string len 32 size 100k expire 10m store http_req_cnt,http_req_rate(10s)${isHaproxy ? ' peers self' : ''}
frontend f
  bind 127.0.0.1:\${port1}
  http-request return status 200 content-type text/plain lf-string "%[req.hdr(x-key),table_http_req_cnt(keys)] %pid" if { path /read }
  http-request track-sc0 req.hdr(x-key) table keys
  http-request return status 200 content-type text/plain lf-string "%[sc_http_req_cnt(0)]"
`
		.replaceAll('${port2}', '\\${port2}')
		.replaceAll('\\$', '$');

const reloadsOf = (program: Program): number => program.stderr.split('reload succeeded').length - 1;

async function workerPid(program: Program): Promise<number> {
	const { body } = await request(program.port(), '/read', { headers: { 'x-key': 'none' } });
	return Number(body.split(' ')[1]);
}

/** Sends the signal and waits until the new configuration serves. */
async function reload(program: Program, isHaproxy: boolean): Promise<number> {
	const beganMs = performance.now();
	if (isHaproxy) {
		const before = await workerPid(program);
		program.child.kill('SIGUSR2');
		await waitFor('the new worker', async () => (await workerPid(program).catch(() => before)) !== before);
	} else {
		const before = reloadsOf(program);
		program.child.kill('SIGUSR2');
		await waitFor('the reload', () => reloadsOf(program) > before, 120_000);
	}
	return performance.now() - beganMs;
}

async function count(reloadCount: number, seconds: number, which: 'holdfast' | 'haproxy'): Promise<void> {
	const isHaproxy = which === 'haproxy';
	const program = await startProgram(t, {
		config: countConfig(isHaproxy),
		ports: 2,
		program: which,
		args: isHaproxy ? ['-W', '-db', '-L', 'here'] : ['-db'],
	});
	await waitFor('answers', async () => (await workerPid(program).catch(() => 0)) > 0);
	const load = new Load({ port: program.port(), keptClients: 16, newClients: 8, pauseMs: 1 });
	const beganMs = performance.now();
	const times: number[] = [];
	for (let i = 0; i < reloadCount; i++) {
		const dueMs = ((i + 0.5) * seconds * 1000) / reloadCount;
		await sleep(Math.max(0, dueMs - (performance.now() - beganMs)));
		times.push(await reload(program, isHaproxy));
	}
	await sleep(Math.max(0, seconds * 1000 - (performance.now() - beganMs)));
	await load.stop();
	await sleep(1000);
	let lost = 0;
	let doubled = 0;
	for (const { key, answered } of load.clients) {
		const { body } = await request(program.port(), '/read', { headers: { 'x-key': key } });
		const counted = Number(body.split(' ')[0]);
		lost += Math.max(0, answered - counted);
		doubled += Math.max(0, counted - answered);
	}
	print(
		`${which}: ${reloadCount} reloads in ${seconds} s, ${load.answered} answers, ${load.failures.length} failed requests, ` +
			`${lost} counts lost, ${doubled} counted too often; slowest answer ${load.longestMs.toFixed(0)} ms, ` +
			`slowest reload ${Math.max(...times).toFixed(0)} ms`,
	);
	for (const failure of load.failures.slice(0, 3)) print(`  ${failure}`);
}

/** A snapshot file of a table `keys` with so many addresses, a count and a rate each. */
function writeTables(path: string, entries: number): void {
	const model: StickTableModel = {
		place: { file: 'bench', line: 1 },
		name: 'keys',
		keyType: 'ip',
		keyLengthBytes: 4,
		size: 1_048_576,
		expireMs: 3_600_000,
		nopurge: false,
		recvOnly: false,
		writeTo: undefined,
		srvkey: 'name',
		store: [
			{ type: 'http_req_cnt', periodMs: undefined, count: undefined },
			{ type: 'http_req_rate', periodMs: 10_000, count: undefined },
		],
		bratesFactor: 1,
		peers: undefined,
	};
	const table = new StickTable(model, StickTable.allocate(model));
	const nowMs = systemClock.monotonicMs();
	const slots = table.eventSlots('http_req');
	for (let i = 0; i < entries; i++) {
		const address = IpAddress.fromV4(0x0a000000 + i);
		for (const slot of slots) table.addByKey(address, slot, 0, 1, nowMs);
	}
	const source = new SnapshotSource([table], systemClock);
	source.beginPass();
	while (!source.pass(1000));
	writeFileSync(path, Buffer.concat([...source.take(), source.commit()]));
}

/** Asks without a pause, on a connection of its own each time it was closed; remembers the slowest answer. */
async function slowestWhile(program: Program, work: () => Promise<void>): Promise<number> {
	const probe = new Load({ port: program.port(), keptClients: 1, newClients: 0, path: '/probe' });
	await waitFor('the probe', () => probe.answered > 20);
	const [client] = probe.clients;
	if (client !== undefined) client.longestMs = 0;
	await work();
	await probe.stop();
	for (const failure of probe.failures) print(`  probe: ${failure}`);
	return probe.longestMs;
}

async function tables(entries: number): Promise<void> {
	const config = `
global
  nbthread 2
  stick-table-file \${dir}/tables
${DEFAULTS}
backend keys
  stick-table type ip size 1m expire 1h store http_req_cnt,http_req_rate(10s)
frontend f
  bind 127.0.0.1:\${port1}
  http-request return status 200 content-type text/plain lf-string "%[str(10.0.0.77),table_http_req_cnt(keys)]" if { path /read }
  http-request return status 200 content-type text/plain string probe if { path /probe }
  http-request track-sc0 src table keys
  http-request return status 200 content-type text/plain string counted
`;
	const program = await spawnProgram(t, { config, ports: 1 });
	await program.stop();
	writeTables(join(program.folder, 'tables'), entries);
	const startMs = performance.now();
	const text = readFileSync(program.configPath, 'latin1');
	const full = await startProgram(t, { config: text, ports: 1, usePorts: program.ports });
	const serving = performance.now() - startMs;
	const restored = /"ms":(\d+),"msg":"stick-tables restored/;
	const meanwhile = await slowestWhile(full, async () => {
		await waitFor('the tables to be restored', () => restored.test(full.stderr), 60_000);
	});
	print(
		`${entries} entries: serving ${serving.toFixed(0)} ms after the start, restored after ` +
			`${restored.exec(full.stderr)?.[1]} ms, slowest answer meanwhile ${meanwhile.toFixed(1)} ms`,
	);
	const idle = await slowestWhile(full, () => sleep(3000));
	print(`nothing but the first whole snapshot and its appends, 3 s: slowest answer ${idle.toFixed(1)} ms`);
	const tenMs = await slowestWhile(full, () => sleep(3000));
	print(`appends only, 3 s: slowest answer ${tenMs.toFixed(1)} ms`);
	let took = 0;
	const same = await slowestWhile(full, async () => {
		took = await reload(full, false);
		await sleep(500);
	});
	print(
		`reload, table unchanged (shared, nothing to hand over): ${took.toFixed(0)} ms, slowest answer ${same.toFixed(1)} ms`,
	);
	for (const [what, from, to] of [
		['another size', 'size 1m', 'size 2m'],
		['another data type', 'store http_req_cnt', 'store gpc0,http_req_cnt'],
	] as const) {
		writeFileSync(full.configPath, readFileSync(full.configPath, 'latin1').replace(from, to));
		const changed = await slowestWhile(full, async () => {
			took = await reload(full, false);
			await sleep(500);
		});
		const moved = [...full.stderr.matchAll(/"entries":(\d+),"leftOut":(\d+).*?"ms":(\d+)/g)].at(-1);
		print(
			`reload, table with ${what}: ${took.toFixed(0)} ms, ${moved?.[1]} entries moved in ${moved?.[3]} ms, slowest answer ${changed.toFixed(1)} ms`,
		);
	}
	const [pid = 0] = full.workers;
	const killedMs = performance.now();
	process.kill(pid, 'SIGKILL');
	await waitFor('another worker', async () => {
		const isThere = full.workers.some((worker) => worker !== pid);
		return isThere && (await request(full.port(), '/read').catch(() => undefined)) !== undefined;
	});
	const servingAgain = performance.now() - killedMs;
	await waitFor('its tables', () => full.stderr.split('stick-tables restored').length === 3, 60_000);
	print(
		`kill -9 of the worker: serving again after ${servingAgain.toFixed(0)} ms, with all of its tables after ` +
			`${(performance.now() - killedMs).toFixed(0)} ms`,
	);
	print(`the count of one address is ${(await request(full.port(), '/read')).body.split(' ')[0]}`);
}

/** Entries in the table `keys`, as the program's runtime socket says. */
function usedEntries(socketPath: string): Promise<number> {
	return new Promise((resolve) => {
		let text = '';
		const socket = connect(socketPath);
		socket.setEncoding('latin1').on('data', (data: string) => {
			text += data;
		});
		socket.on('error', () => resolve(-1));
		socket.on('close', () => resolve(Number(/table: keys,.*used:(\d+)/.exec(text)?.[1] ?? -1)));
		socket.write('show table\n');
	});
}

async function handoff(entries: number): Promise<void> {
	const config = (name: string, globals = ''): string => `
global
  stats socket \${dir}/../${name} level admin
  ${globals}
${DEFAULTS}
peers self
  peer here 127.0.0.1:\${port2}
backend keys
  stick-table type ip size 1m expire 1h store http_req_cnt,http_req_rate(10s) peers self
frontend f
  bind 127.0.0.1:\${port1}
  http-request return status 200 content-type text/plain string probe
`;
	const socketOf = (program: Program, name: string): string => join(program.folder, '..', name);
	const id = process.pid;
	const seed = await spawnProgram(t, { config: config(`handoff-${id}-seed`), ports: 2, args: ['-db', '-L', 'here'] });
	await seed.stop();
	const path = join(seed.folder, 'tables');
	writeTables(path, entries);
	let old = await startProgram(t, {
		config: config(`handoff-${id}-0`, `stick-table-file ${path} interval 1h`),
		ports: 2,
		usePorts: seed.ports,
		args: ['-db', '-L', 'here'],
	});
	let oldWhich = 'holdfast';
	await waitFor('the tables', async () => (await usedEntries(socketOf(old, `handoff-${id}-0`))) === entries, 60_000);
	for (const [step, which] of (['holdfast', 'haproxy', 'haproxy', 'holdfast'] as const).entries()) {
		// HAProxy 2.6 hands nothing over in its first ten seconds.
		await sleep(13_000);
		const name = `handoff-${id}-${step + 1}`;
		const probe = new Load({ port: old.port(), keptClients: 0, newClients: 1 });
		await waitFor('the probe', () => probe.answered > 20);
		for (const client of probe.clients) client.longestMs = 0;
		const beganMs = performance.now();
		const next = await spawnProgram(t, {
			config: config(name),
			ports: 2,
			usePorts: old.ports,
			program: which,
			args: ['-db', '-L', 'here', '-sf', String(old.child.pid)],
		});
		let firstMs = 0;
		await waitFor(
			'the entries',
			async () => {
				const used = await usedEntries(socketOf(next, name));
				if (used > 0 && firstMs === 0) firstMs = performance.now();
				return used === entries;
			},
			300_000,
		);
		const doneMs = performance.now();
		await probe.stop();
		print(
			`${oldWhich} to ${which}: ${entries} entries ${(doneMs - beganMs).toFixed(0)} ms after the start, ` +
				`${(doneMs - firstMs).toFixed(0)} ms of it the lesson; slowest answer ${probe.longestMs.toFixed(1)} ms, ` +
				`${probe.failures.length} of ${probe.answered} requests refused`,
		);
		await old.exited();
		old = next;
		oldWhich = which;
	}
}

interface Census {
	readonly residentMb: number;
	readonly descriptors: number;
	readonly threads: number;
}

function census(pid: number): Census {
	const status = readFileSync(`/proc/${pid}/status`, 'latin1');
	return {
		residentMb: Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024),
		descriptors: readdirSync(`/proc/${pid}/fd`).length,
		threads: readdirSync(`/proc/${pid}/task`).length,
	};
}

async function soak(reloadCount: number): Promise<void> {
	const program = await startProgram(t, { config: countConfig(false), ports: 1 });
	const masterPid = program.child.pid ?? 0;
	const load = new Load({ port: program.port(), keptClients: 4, newClients: 2, pauseMs: 20 });
	const [pid = 0] = program.workers;
	const show = (after: number): void => {
		const worker = census(pid);
		const master = census(masterPid);
		print(
			`after ${String(after).padStart(5)} reloads: worker ${worker.residentMb} MB, ${worker.descriptors} descriptors, ` +
				`${worker.threads} threads; master ${master.residentMb} MB, ${master.descriptors} descriptors`,
		);
	};
	show(0);
	for (let i = 1; i <= reloadCount; i++) {
		await reload(program, false);
		if (i === 10 || i % Math.max(1, Math.floor(reloadCount / 10)) === 0) show(i);
	}
	await load.stop();
	await sleep(3000);
	show(reloadCount);
	print(`${load.answered} answers, ${load.failures.length} failed requests`);
}

const commands: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
	count: ([reloadCount = '10', seconds = '20', which = 'holdfast']) =>
		count(Number(reloadCount), Number(seconds), which === 'haproxy' ? 'haproxy' : 'holdfast'),
	tables: ([entries = '1000000']) => tables(Number(entries)),
	handoff: ([entries = '1000000']) => handoff(Number(entries)),
	soak: ([reloadCount = '1000']) => soak(Number(reloadCount)),
};

const [command = 'count', ...args] = process.argv.slice(2);
try {
	await commands[command]?.(args);
} finally {
	for (const cleanup of cleanups.reverse()) await cleanup();
}
