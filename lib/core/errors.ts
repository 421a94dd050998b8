/**
 * Every error code of the program, in one list: a code names the trouble for programs, the message
 * tells a person. Expected trouble (a refused line, a peer that is away) is a `HoldfastError`; anything
 * else that is thrown is a bug and is logged with its stack by whoever owns the connection or thread.
 */
export const ERROR_CODES = {
	/** The configuration was refused; the diagnostics carry each line. */
	CONFIG_INVALID: 'the configuration is not valid',
	/** A word of the command line is unknown or lacks its argument. */
	ARGUMENT_INVALID: 'the command line is not valid',
	/** An address could not be bound. */
	BIND_FAILED: 'cannot bind',
	/** A listening descriptor named in the configuration is not open. */
	DESCRIPTOR_INVALID: 'not a listening descriptor',
	/** The worker ended before it was ready. */
	WORKER_FAILED: 'the worker did not start',
	/** An HTTP message breaks RFC 9112. */
	HTTP_MALFORMED: 'malformed HTTP message',
	/** A peers message breaks the protocol. */
	PEERS_PROTOCOL: 'malformed peers message',
	/** A snapshot file is damaged or of another format. */
	SNAPSHOT_INVALID: 'not a usable snapshot',
	/** A thread died while it held a lock in shared memory. */
	LOCK_ABANDONED: 'a lock in shared memory was abandoned',
	/** The memory of a stick table is more than can be reserved. */
	TABLE_TOO_LARGE: 'the stick table is too large',
	/** A stats socket that is not there, or closed on us. */
	SOCKET_UNREACHABLE: 'cannot talk with the stats socket',
	/** A map, ACL or error file cannot be read. */
	FILE_UNREADABLE: 'cannot read file',
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

export class HoldfastError extends Error {
	override readonly name = 'HoldfastError';
	readonly code: ErrorCode;

	constructor(code: ErrorCode, detail?: string, options?: ErrorOptions) {
		super(detail === undefined ? ERROR_CODES[code] : detail, options);
		this.code = code;
	}
}

const SYSTEM_REASONS: ReadonlyMap<string, string> = new Map([
	['ENOENT', 'No such file or directory'],
	['EACCES', 'Permission denied'],
	['EISDIR', 'Is a directory'],
	['ENOTDIR', 'Not a directory'],
]);

/** What went wrong, in words: anything can be thrown. */
export function reasonOf(error: unknown): string {
	return error instanceof Error ? error.message : String(error);
}

/** The system's own words for why a file cannot be read. */
export function systemReason(error: unknown): string {
	const code = error instanceof Error && 'code' in error ? String(error.code) : '';
	return SYSTEM_REASONS.get(code) ?? reasonOf(error);
}

/** What `make` makes; undefined when it is refused for a reason that has words (HoldfastError), which `complain` is told. */
export function orComplain<T>(make: () => T, complain: (message: string) => void): T | undefined {
	try {
		return make();
	} catch (error) {
		if (!(error instanceof HoldfastError)) throw error;
		complain(error.message);
		return undefined;
	}
}
