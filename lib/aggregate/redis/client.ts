/**
 * What of ioredis is used, so that whatever does the same can stand in its place (ioredis-mock in unit tests). Single
 * server, Sentinel and Cluster have it alike; commands that are sent while others are on their way are pipelined.
 */
export interface RedisClient {
	readonly status: string;
	connect(): Promise<unknown>;
	disconnect(reconnect?: boolean): void;
	on(event: string, listener: (...args: unknown[]) => void): unknown;
	defineCommand(name: string, definition: { numberOfKeys: number; lua: string }): void;

	hget(key: string, field: string): Promise<string | null>;
	hgetall(key: string): Promise<Record<string, string>>;
	hlen(key: string): Promise<number>;
	hdel(key: string, field: string): Promise<number>;
	exists(key: string): Promise<number>;
	zrangebyscore(key: string, min: string | number, max: string | number): Promise<string[]>;
	zscore(key: string, member: string): Promise<string | null>;
	unlink(key: string): Promise<number>;
	pexpire(key: string, ms: number): Promise<number>;
	hscan(key: string, cursor: string, countToken: 'COUNT', count: number): Promise<[string, string[]]>;
	xread(
		countToken: 'COUNT',
		count: number,
		streamsToken: 'STREAMS',
		key: string,
		id: string,
	): Promise<[key: string, items: [id: string, fields: string[]][]][] | null>;
	xrevrange(key: string, end: '+', start: '-', countToken: 'COUNT', count: number): Promise<[string, string[]][]>;
	xtrim(key: string, strategy: 'MINID' | 'MAXLEN', approximately: '~', threshold: string | number): Promise<number>;

	holdfastClaim(
		owners: string,
		beats: string,
		node: string,
		process: string,
		lifeMs: number,
	): Promise<[owner: string, nowMs: string]>;
	holdfastBeat(
		owners: string,
		beats: string,
		node: string,
		process: string,
		lifeMs: number,
		sinceMs: string,
		forgetMs: number,
		beatMs: number,
	): Promise<string[]>;
	holdfastLeave(owners: string, beats: string, node: string, process: string): Promise<number>;
	holdfastEnter(directory: string, node: string, expectedLine: string, line: string): Promise<number>;
	holdfastWrite(
		directory: string,
		entries: string,
		log: string,
		node: string,
		expectedLine: string,
		line: string,
		lifeMs: number,
		flags: string,
		atMs: number,
		maxLength: number,
		/** A string of this length would be looked through for other letters than those of Latin first. */
		lines: Buffer,
	): Promise<number | string>;
	holdfastSweep(entries: string, ...fieldsAndValues: string[]): Promise<number>;
}
