/**
 * What an earlier process has left in the `stick-table-file`, put into the tables of the first configuration of
 * this one. The file is read while the data threads start; when they are ready the entries are put back, for a
 * moment before traffic comes and then beside it: a million of them keep nobody waiting. Meanwhile requests count on
 * the same tables, and what is restored is added to that, each entry in one step (snapshot-restore.ts).
 *
 * Until it is done nobody else may build on these tables: peers are not called, since what they teach would count
 * twice, no snapshot is written, since the file is still needed, and a reload waits.
 *
 * A file that cannot be used is put aside as `<path>.damaged` and the start goes on with empty tables.
 */
import { renameSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Clock } from '../core/clock.js';
import { HoldfastError, systemReason } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import { readSnapshot } from '../stick-table/snapshot-restore.js';
import type { StickTable } from '../stick-table/table.js';

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * Restores the tables of the snapshot at `path`, not before `begin`. Says in the log what came back and how much time
 * is lost, and puts a file aside that cannot be used.
 */
export async function restoreTables(
	path: string,
	tables: ReadonlyMap<string, StickTable>,
	clock: Clock,
	logger: Logger,
	begin: Promise<void> = Promise.resolve(),
): Promise<void> {
	const startMs = clock.monotonicMs();
	let bytes: Buffer;
	try {
		bytes = await readFile(path);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
			logger.error({ path, reason: systemReason(error) }, 'the stick-table-file cannot be read, tables start empty');
		}
		return;
	}
	try {
		const snapshot = await readSnapshot(bytes, nextTurn);
		const { writtenWallMs, ignoredBytes } = snapshot;
		const lostMs = Math.max(0, clock.wallMs() - writtenWallMs);
		await begin;
		const { entries, leftOut, unknownTables } = await snapshot.restoreInto(tables, clock, nextTurn);
		logger.info(
			{
				path,
				entries,
				leftOut,
				unknownTables,
				asOf: new Date(writtenWallMs).toISOString(),
				lostMs,
				ignoredBytes,
				ms: clock.monotonicMs() - startMs,
			},
			'stick-tables restored from their file; what was counted in lostMs before this start is lost',
		);
	} catch (error) {
		if (!(error instanceof HoldfastError)) throw error;
		putAside(path, error.message, logger);
	}
}

function putAside(path: string, reason: string, logger: Logger): void {
	const aside = `${path}.damaged`;
	logger.error({ path, reason, aside }, 'the stick-table-file is not usable: put aside, tables start empty');
	try {
		renameSync(path, aside);
	} catch (failure) {
		logger.error({ path, reason: systemReason(failure) }, 'the stick-table-file could not be put aside');
	}
}
