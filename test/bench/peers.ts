/**
 * Two peers sections over loopback, each in a process of its own, on real stick tables:
 *
 *     tsx test/bench/peers.ts [entries] [seconds]
 *
 * - full resync: a second node learns a table of that many entries;
 * - throughput: one node modifies as fast as the other keeps up;
 * - lag: at 10,000 updates a second, how long until the other node has the value;
 * - the same throughput between two HAProxy processes, where HAProxy is installed.
 *
 * CPU time is that of the whole process, the modifications themselves included.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { IpAddress } from '../../lib/core/address.js';
import { systemClock } from '../../lib/core/clock.js';
import { findHaproxy, startHaproxy } from '../fixtures/interop.js';
import { freePorts } from '../fixtures/ports.js';
import { waitFor } from '../fixtures/wait-for.js';
import { HoldfastNode } from '../interop/peers-node.js';

const TABLE = 'mypeers/t';
const text = (ports: readonly number[], names: readonly string[]): string =>
	`peers mypeers\n${names.map((name, i) => `  peer ${name} 127.0.0.1:${ports[i]}\n`).join('')}  table t type ip size 2m expire 10m store http_req_rate(10s)\n`;

type Command =
	| { kind: 'start'; ports: number[]; entries: number }
	| { kind: 'flood'; seconds: number }
	| { kind: 'steady'; seconds: number; perSecond: number }
	| { kind: 'usage' };

interface Report {
	readonly kind: string;
	readonly [name: string]: unknown;
}

/** The far node: holds the table and modifies it. */
async function serveFarNode(): Promise<void> {
	let node: HoldfastNode;
	let entries = 0;
	const report = (message: Report): void => {
		process.send?.(message);
	};
	const count = (index: number, nowMs: number): void => {
		const table = node.table(TABLE);
		table.addByKey(IpAddress.fromV4(0x0a000000 + index), table.slot('http_req_rate')!, 0, 1, nowMs);
	};
	process.on('message', (command: Command) => {
		void (async () => {
			switch (command.kind) {
				case 'start': {
					node = new HoldfastNode('F', text(command.ports, ['N', 'F']));
					entries = command.entries;
					node.table(TABLE).updates.enable();
					for (let i = 0; i < entries; i++) count(i, systemClock.monotonicMs());
					await node.start();
					await waitFor('the far node up to date', () => node.peers.section.isUpToDate());
					report({ kind: 'started' });
					break;
				}
				case 'flood': {
					// Modifies a slice at each turn of the loop, so that pushing goes on in between.
					const until = performance.now() + command.seconds * 1000;
					const sentBefore = node.peer('N').updatesSent;
					const cpuBefore = process.cpuUsage();
					let index = 0;
					let modified = 0;
					while (performance.now() < until) {
						const pending = node.peer('N').pendingUpdates();
						if (pending < 20_000) {
							const nowMs = systemClock.monotonicMs();
							for (let i = 0; i < 1000; i++) count(index++ % entries, nowMs);
							modified += 1000;
						}
						await new Promise((resolve) => setImmediate(resolve));
					}
					const cpu = process.cpuUsage(cpuBefore);
					report({
						kind: 'flooded',
						modified,
						sent: node.peer('N').updatesSent - sentBefore,
						cpuMs: (cpu.user + cpu.system) / 1000,
					});
					break;
				}
				case 'steady': {
					const startedMs = performance.now();
					let done = 0;
					while (performance.now() - startedMs < command.seconds * 1000) {
						const due = Math.floor(((performance.now() - startedMs) / 1000) * command.perSecond);
						const table = node.table(TABLE);
						const slot = table.slot('http_req_rate')!;
						const nowMs = systemClock.monotonicMs();
						for (; done < due; done++) {
							// Every hundredth modification carries the time it was made, for the other side to compare.
							if (done % 100 === 0) {
								const stamp = Number(process.hrtime.bigint() / 1000n) % 2_000_000_000;
								table.setByKey(IpAddress.fromV4(0x0b000000 + done / 100), slot, 0, stamp, nowMs);
							} else table.addByKey(IpAddress.fromV4(0x0a000000 + (done % entries)), slot, 0, 1, nowMs);
						}
						await new Promise((resolve) => setTimeout(resolve, 1));
					}
					report({ kind: 'steadied', done });
					break;
				}
				case 'usage':
					report({ kind: 'usage', rss: process.memoryUsage.rss() });
			}
		})();
	});
}

async function main(): Promise<void> {
	const entries = Number(process.argv[2] ?? 1_000_000);
	const seconds = Number(process.argv[3] ?? 3);
	const ports = await freePorts(2);
	const far = fork(fileURLToPath(import.meta.url), ['far'], { execArgv: process.execArgv });
	const ask = (command: Command): Promise<Report> =>
		new Promise((resolve) => {
			far.once('message', (message) => resolve(message as Report));
			far.send(command);
		});
	await ask({ kind: 'start', ports, entries });

	const near = new HoldfastNode('N', text(ports, ['N', 'F']));
	const startedMs = performance.now();
	const cpuBefore = process.cpuUsage();
	await near.start();
	await waitFor('the resync', () => near.peers.section.isUpToDate(), 60_000);
	const resyncMs = performance.now() - startedMs;
	const resyncCpu = process.cpuUsage(cpuBefore);
	console.log(
		`full resync of ${near.table(TABLE).usedCount()} entries: ${Math.round(resyncMs)} ms, ${Math.round((resyncCpu.user + resyncCpu.system) / 1000)} ms CPU in the learner`,
	);

	const receivedBefore = near.peer('F').updatesReceived;
	const floodCpu = process.cpuUsage();
	const flood = await ask({ kind: 'flood', seconds });
	const received = near.peer('F').updatesReceived - receivedBefore;
	const learnCpu = process.cpuUsage(floodCpu);
	const learnMs = (learnCpu.user + learnCpu.system) / 1000;
	console.log(
		`flood: ${Math.round(Number(flood.sent) / seconds)} updates/s pushed, ${((Number(flood.cpuMs) * 1000) / Number(flood.sent)).toFixed(2)} us CPU each (modification included); ${Math.round(received / seconds)} /s learned, ${((learnMs * 1000) / received).toFixed(2)} us CPU each`,
	);

	const lags = await measureLag(near, () => ask({ kind: 'steady', seconds, perSecond: 10_000 }));
	console.log(
		`lag at 10000 updates/s: p50 ${lags.p50.toFixed(2)} ms, p99 ${lags.p99.toFixed(2)} ms, ${lags.count} samples`,
	);
	near.close();
	far.kill('SIGKILL');
	if (findHaproxy() !== undefined) await benchHaproxy(Math.min(entries, 200_000));
}

/** Polls the stamped entries as they arrive. The clock is the machine's, the same in both processes. */
async function measureLag(
	near: HoldfastNode,
	run: () => Promise<unknown>,
): Promise<{ p50: number; p99: number; count: number }> {
	const table = near.table(TABLE);
	const slot = table.slot('http_req_rate')!;
	const view = table.newView();
	const lags: number[] = [];
	let next = 0;
	let isOver = false;
	const ended = run().then(() => {
		isOver = true;
	});
	while (!isOver) {
		while (table.copyByKey(IpAddress.fromV4(0x0b000000 + next), view, systemClock.monotonicMs())) {
			const nowUs = Number(process.hrtime.bigint() / 1000n) % 2_000_000_000;
			const { current } = view.value(slot, 0) as { current: number };
			lags.push((nowUs - current) / 1000);
			next++;
		}
		await new Promise((resolve) => setImmediate(resolve));
	}
	await ended;
	lags.sort((a, b) => a - b);
	const at = (share: number): number => lags[Math.min(lags.length - 1, Math.floor(lags.length * share))] ?? Number.NaN;
	return { p50: at(0.5), p99: at(0.99), count: lags.length };
}

/** Two HAProxy processes: one is given entries by our section, then the other learns them from it. */
async function benchHaproxy(entries: number): Promise<void> {
	const ports = await freePorts(3);
	const names = ['N', 'F', 'H'];
	const configure = (name: string) => (dir: string) =>
		`  localpeer ${name}\n${text(ports, names)}\nlisten dummy\n  mode http\n  bind unix@${dir}/dummy.sock\n`;
	const source = new HoldfastNode('N', text(ports, names));
	const table = source.table(TABLE);
	table.updates.enable();
	for (let i = 0; i < entries; i++) {
		table.addByKey(IpAddress.fromV4(0x0a000000 + i), table.slot('http_req_rate')!, 0, 1, systemClock.monotonicMs());
	}
	const first = await startHaproxy(configure('F'));
	await source.start();
	const used = async (haproxy: typeof first): Promise<number> =>
		Number(/used:(\d+)/.exec(await haproxy.cli('show table'))?.[1] ?? 0);
	const pushedMs = performance.now();
	await waitFor('the first HAProxy', async () => (await used(first)) === entries, 60_000);
	console.log(`Holdfast to HAProxy: ${Math.round(entries / ((performance.now() - pushedMs) / 1000))} entries/s`);
	await waitFor('up to date', async () => /flags=0x[0-9a-f]*3 /.test(await first.cli('show peers')), 60_000);
	source.close();
	const taughtMs = performance.now();
	const second = await startHaproxy(configure('H'));
	await waitFor('the second HAProxy', async () => (await used(second)) === entries, 60_000);
	console.log(
		`HAProxy to HAProxy: ${Math.round(entries / ((performance.now() - taughtMs) / 1000))} entries/s in a resync, its start included`,
	);
	await first.stop();
	await second.stop();
}

if (process.argv[2] === 'far') await serveFarNode();
else await main();
