/**
 * The snapshot file of `stick-table-file`: read once when the program starts (restoration.ts), then kept up to
 * date at every interval, so that a crash costs at most what was counted since.
 *
 *     <path>.tmp   a whole new file on its way; renamed over <path> when it is complete and on the disk
 *     <path>       grows by what each interval has changed; a new file replaces it when most of it is out of
 *                  date, when entries were cleared, and when a reload changes which tables there are
 *
 * While a new file is being written the old one goes on growing, so there is no moment without a fresh one.
 * Writing is asynchronous and copying goes in slices, a lock for one entry at a time: traffic does not wait
 * for either. An append is on the disk (fdatasync) before the next begins.
 *
 * A program that takes over (`-sf`) replaces the file; the old one notices and stops.
 *
 * What it gives up: values learned again and again from peers are as fresh in it as the last whole file.
 * Peers teach them at the start anyway.
 */
import { renameSync, statSync } from 'node:fs';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock, Timer } from '../core/clock.js';
import { HoldfastError, systemReason } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import { SnapshotSource } from '../stick-table/snapshot.js';
import type { StickTable } from '../stick-table/table.js';

export interface SnapshotSettings {
	readonly path: string;
	readonly intervalMs: number;
}

const SLICE_MS = 4;
/** A file may grow to this many times its size when it was whole, and by a free allowance. */
const GROWTH_FACTOR = 3;
const GROWTH_ALLOWANCE_BYTES = 16 * 1024 * 1024;
/** One complaint about a full or missing disk in this time. */
const COMPLAINT_INTERVAL_MS = 60_000;

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** One file, from its first whole pass on. */
class SnapshotFile {
	readonly path: string;
	readonly source: SnapshotSource;
	readonly tables: readonly StickTable[];
	readonly #handle: FileHandle;
	readonly inode: number;
	sizeBytes = 0;
	wholeBytes = 0;

	constructor(path: string, handle: FileHandle, inode: number, tables: readonly StickTable[], clock: Clock) {
		this.path = path;
		this.#handle = handle;
		this.inode = inode;
		this.tables = tables;
		this.source = new SnapshotSource(tables, clock);
	}

	get isOvergrown(): boolean {
		return this.sizeBytes > this.wholeBytes * GROWTH_FACTOR + GROWTH_ALLOWANCE_BYTES;
	}

	/** A pass, and its bytes on the disk, or for a process that ends of itself in the system's hands. */
	async save(mayBeCached = false): Promise<void> {
		this.source.beginPass();
		for (let done = false; !done; ) {
			done = this.source.pass(SLICE_MS);
			for (const buffer of this.source.take()) await this.#write(buffer);
			if (!done) await nextTurn();
		}
		await this.#write(this.source.commit());
		if (!mayBeCached) await this.#handle.datasync();
	}

	close(): void {
		this.source.close();
		this.#handle.close().catch(() => undefined);
	}

	async #write(buffer: Buffer): Promise<void> {
		await this.#handle.write(buffer);
		this.sizeBytes += buffer.length;
	}
}

export class SnapshotKeeper {
	readonly #clock: Clock;
	readonly #logger: Logger;
	#settings: SnapshotSettings | undefined;
	#tables: readonly StickTable[] = [];
	#file: SnapshotFile | undefined;
	#timer: Timer | undefined;
	/** The save under way. */
	#saving: Promise<void> | undefined;
	/** A new file that is being written beside. */
	#replacing: Promise<void> | undefined;
	#ended = false;
	#lastComplaintMs = Number.NEGATIVE_INFINITY;

	constructor(clock: Clock, logger: Logger) {
		this.#clock = clock;
		this.#logger = logger;
	}

	/** Keeps these tables in this file from now on; undefined: none. The file of other settings stays as it is. */
	keep(settings: SnapshotSettings | undefined, tables: readonly StickTable[]): void {
		this.#settings = settings;
		this.#tables = settings === undefined ? [] : tables;
		if (settings !== undefined) this.#schedule(0);
		else {
			this.#timer?.cancel();
			this.#file?.close();
			this.#file = undefined;
		}
	}

	/** Before the program leaves: saves what the last interval has changed, and nothing after that. */
	async end(): Promise<void> {
		if (this.#ended) return;
		this.#ended = true;
		this.#timer?.cancel();
		await this.#saving;
		await this.#replacing;
		const file = this.#file;
		try {
			const settings = this.#settings;
			if (settings === undefined) return;
			if (file?.path !== settings.path) await this.#replace(settings);
			else if (this.#isOurs(file)) await file.save(true);
		} catch (error) {
			this.#complain(error);
		} finally {
			this.#file?.close();
			this.#file = undefined;
		}
	}

	#schedule(delayMs: number): void {
		this.#timer?.cancel();
		if (!this.#ended) this.#timer = this.#clock.setTimer(() => this.#run(), delayMs);
	}

	#run(): void {
		this.#saving ??= this.#saveAndSchedule();
	}

	async #saveAndSchedule(): Promise<void> {
		const startMs = this.#clock.monotonicMs();
		const file = this.#file;
		try {
			await this.#save();
		} catch (error) {
			// A file that was replaced while it was written is nobody's any more.
			if (file === this.#file) {
				this.#complain(error);
				// Whatever is half written: a new file will do.
				this.#file?.close();
				this.#file = undefined;
			}
		}
		this.#saving = undefined;
		const { intervalMs } = this.#settings ?? {};
		if (intervalMs !== undefined) this.#schedule(Math.max(1, intervalMs - (this.#clock.monotonicMs() - startMs)));
	}

	async #save(): Promise<void> {
		const settings = this.#settings;
		if (settings === undefined) return;
		const file = this.#file;
		if (file?.path !== settings.path) {
			await this.#replace(settings);
			return;
		}
		if (!this.#isOurs(file)) {
			this.#logger.info({ path: settings.path }, 'another process keeps the stick-table-file now');
			this.keep(undefined, []);
			return;
		}
		await file.save();
		if (this.#replacing !== undefined || !this.#needsReplacing(file)) return;
		this.#replacing = this.#replace(settings)
			.catch((error: unknown) => this.#complain(error))
			.finally(() => {
				this.#replacing = undefined;
			});
	}

	#needsReplacing(file: SnapshotFile): boolean {
		const isSame =
			file.tables.length === this.#tables.length &&
			file.tables.every((table, index) => table.buffer === this.#tables[index]?.buffer);
		return !isSame || file.isOvergrown || file.source.isOutdated;
	}

	/** Writes a whole file beside the present one and puts it in its place. */
	async #replace({ path }: SnapshotSettings): Promise<void> {
		const temporary = temporaryPath(path);
		const handle = await open(temporary, 'w', 0o600);
		const { ino } = await handle.stat();
		const file = new SnapshotFile(path, handle, ino, this.#tables, this.#clock);
		try {
			await file.save();
			file.wholeBytes = file.sizeBytes;
			if (this.#settings?.path !== path) {
				file.close();
				await unlink(temporary);
				return;
			}
			// In one step: a save of the former file would find the path in other hands, and take them for a stranger's.
			renameSync(temporary, path);
		} catch (error) {
			file.close();
			throw error;
		}
		this.#file?.close();
		this.#file = file;
		await syncFolder(path);
	}

	#isOurs(file: SnapshotFile): boolean {
		return statSync(file.path, { throwIfNoEntry: false })?.ino === file.inode;
	}

	#complain(error: unknown): void {
		const nowMs = this.#clock.monotonicMs();
		if (nowMs - this.#lastComplaintMs < COMPLAINT_INTERVAL_MS) return;
		this.#lastComplaintMs = nowMs;
		this.#logger.error(
			{ path: this.#settings?.path, reason: error instanceof HoldfastError ? error.message : systemReason(error) },
			'the stick-table-file cannot be written',
		);
	}
}

const temporaryPath = (path: string): string => `${path}.tmp.${process.pid}`;

/** The new name is on the disk too. */
async function syncFolder(path: string): Promise<void> {
	const folder = await open(dirname(path), 'r');
	try {
		await folder.sync();
	} finally {
		await folder.close();
	}
}
