/**
 * A stick table of type ip with http_req_rate(10s): memory per entry beyond the empty table, and how long a
 * data thread stands still while a million entries expire. The table is kept as the program keeps it, by the
 * control thread's TableKeeper; the data thread (table-thread.ts) goes on counting in it.
 *
 * The pause is given twice. That of the event loop holds also the moments in which the system ran something
 * else on that core; on a busy machine it says more about the machine. What one operation used of CPU time (the
 * lock spins before it sleeps) is the table's doing alone.
 */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import pino from 'pino';
import type { StickTableModel } from '../../lib/config/model.js';
import { IpAddress } from '../../lib/core/address.js';
import { systemClock } from '../../lib/core/clock.js';
import { TableKeeper } from '../../lib/process/table-keeper.js';
import { StickTable } from '../../lib/stick-table/table.js';
import { startTsWorker } from '../fixtures/ts-worker.js';
import { waitFor } from '../fixtures/wait-for.js';
import type { PauseReport, TableThreadData } from './table-thread.js';

const ENTRIES = 1_000_000;
const BYTES_PER_ENTRY_MAX = 80;
const PAUSE_MS_MAX = 20;
/** Entries of one address range expire; the thread counts on those of another, which stay. */
const EXPIRING_FROM = 0x0a000000;
const QUIET_MS = 3000;
const EXPIRE_MS = 20_000;

const model: StickTableModel = {
	place: { file: 'bench', line: 1 },
	name: 'bench',
	keyType: 'ip',
	keyLengthBytes: 4,
	size: 1_200_000,
	expireMs: EXPIRE_MS,
	nopurge: false,
	recvOnly: false,
	writeTo: undefined,
	srvkey: 'name',
	store: [{ type: 'http_req_rate', periodMs: 10_000, count: undefined }],
	bratesFactor: 1,
	peers: undefined,
};

export async function measureTable(note: (line: string) => void): Promise<void> {
	note('');
	note(`stick table of type ip with http_req_rate(10s), ${ENTRIES} entries`);
	const buffer = StickTable.allocate(model);
	const table = new StickTable(model, buffer);
	const rate = table.slot('http_req_rate');
	if (rate === undefined) throw new Error('the table does not store its rate');
	warmUp();
	const before = process.memoryUsage.rss();
	const filledMs = systemClock.monotonicMs();
	// All in the same second, the worst case: they fall due together.
	for (let i = 0; i < ENTRIES; i++) table.addByKey(IpAddress.fromV4(EXPIRING_FROM + i), rate, 0, 1, filledMs);
	const perEntry = (process.memoryUsage.rss() - before) / ENTRIES;
	note(
		`  memory per entry beyond the empty table: ${perEntry.toFixed(1)} bytes (at most ${BYTES_PER_ENTRY_MAX}: ${perEntry <= BYTES_PER_ENTRY_MAX ? 'reached' : 'missed'})`,
	);

	const data: TableThreadData = { model, buffer };
	const worker = startTsWorker(new URL('./table-thread.ts', import.meta.url), { workerData: data });
	const keeper = new TableKeeper(systemClock, pino({ level: 'silent' }));
	try {
		await once(worker, 'message');
		// Quiet time first, to know what the machine alone does to the thread.
		await delay(QUIET_MS);
		const quiet = await report(worker);
		const kept = table.usedCount() - ENTRIES;
		keeper.keep([table]);
		const startedMs = systemClock.monotonicMs();
		await waitFor('the entries to expire', () => table.usedCount() <= kept + 1000, 3 * EXPIRE_MS);
		const tookMs = systemClock.monotonicMs() - Math.max(startedMs, filledMs + EXPIRE_MS);
		const busy = await report(worker);
		note(`  a million entries, all due at once, are gone ${(tookMs / 1000).toFixed(1)} s later`);
		note(
			`  data thread meanwhile: longest operation ${busy.longestOwnMs.toFixed(2)} ms of its own (at most ${PAUSE_MS_MAX}: ${busy.longestOwnMs <= PAUSE_MS_MAX ? 'reached' : 'missed'}), longest pause of its event loop ${busy.longestPauseMs.toFixed(1)} ms`,
		);
		note(
			`  the same thread before, with nothing expiring: ${quiet.longestOwnMs.toFixed(2)} ms, ${quiet.longestPauseMs.toFixed(1)} ms`,
		);
	} finally {
		keeper.stop();
		await worker.terminate();
	}
}

/** Compiled code is not the table's memory. */
function warmUp(): void {
	const small = { ...model, size: 1000 };
	const table = new StickTable(small, StickTable.allocate(small));
	const rate = table.slot('http_req_rate');
	if (rate === undefined) return;
	for (let i = 0; i < 200_000; i++) table.addByKey(IpAddress.fromV4(i % 2000), rate, 0, 1, 5_000_000 + i);
}

async function report(worker: ReturnType<typeof startTsWorker>): Promise<PauseReport> {
	const answer = once(worker, 'message');
	worker.postMessage('report');
	const [found] = await answer;
	return found as PauseReport;
}
