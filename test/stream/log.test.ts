/** Traffic logs: headers byte for byte as HAProxy 2.6 wrote them, levels, sampling, and sinks that never block. */
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { LogTargetModel } from '../../lib/config/model.js';
import { systemClock } from '../../lib/core/clock.js';
import type { Logger } from '../../lib/core/logger.js';
import type { LogRing } from '../../lib/shared/log-ring.js';
import { LogSampler, TrafficLogTargets } from '../../lib/stream/log.js';
import { cutLine, logHeader } from '../../lib/stream/log-header.js';
import { DescriptorSink, type LogSink, PENDING_BYTES_MAX, UdpSink, UnixSink } from '../../lib/stream/log-sinks.js';
import { FakeClock } from '../fixtures/stream-view.js';

/** 2026-03-04 05:06:07.089 in the time zone of the machine. */
const WALL_MS = new Date(2026, 2, 4, 5, 6, 7, 89).getTime();

class Remarks {
	readonly texts: string[] = [];
	readonly logger = {
		warn: (fields: { lines?: number; reason?: string }, text: string) =>
			void this.texts.push(`${text}${fields.lines === undefined ? '' : ` ${fields.lines}`}`),
		error: (_: unknown, text: string) => void this.texts.push(text),
	} as unknown as Logger;
}

function zone(): string {
	const minutes = -new Date(WALL_MS).getTimezoneOffset();
	const two = (value: number): string => String(value).padStart(2, '0');
	return `${minutes < 0 ? '-' : '+'}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
}

t.test('headers', (t) => {
	const anonymous = { tag: 'haproxy', pid: 17372, hostname: undefined };
	const named = { tag: 'tagg', pid: 1, hostname: 'myhost' };
	const iso = `2026-03-04T05:06:07.089000${zone()}`;
	const rows: readonly (readonly [LogTargetModel['format'], string, string])[] = [
		['local', '<158>Mar  4 05:06:07 haproxy[17372]: ', '<158>Mar  4 05:06:07 tagg[1]: '],
		['rfc3164', '<158>Mar  4 05:06:07 localhost haproxy[17372]: ', '<158>Mar  4 05:06:07 myhost tagg[1]: '],
		['rfc5424', `<158>1 ${iso} - haproxy 17372 - - `, `<158>1 ${iso} myhost tagg 1 - - `],
		['priority', '<158>', '<158>'],
		['short', '<6>', '<6>'],
		['timed', `<6>${iso} `, `<6>${iso} `],
		['iso', `${iso} `, `${iso} `],
		['raw', '', ''],
	];
	for (const [format, plain, withHost] of rows) {
		t.equal(logHeader(format, 'local3', anonymous)(6, WALL_MS), plain, format);
		t.equal(logHeader(format, 'local3', named)(6, WALL_MS), withHost, format);
	}
	t.equal(logHeader('priority', 'kern', anonymous)(0, WALL_MS), '<0>');
	t.equal(logHeader('priority', 'local7', anonymous)(7, WALL_MS), '<191>');
	// The next second, the next day, another year.
	const header = logHeader('local', 'local0', anonymous);
	t.match(header(6, WALL_MS + 1000), /^<134>Mar {2}4 05:06:08 /);
	t.match(header(6, new Date(2027, 11, 31, 23, 59, 59).getTime()), /^<134>Dec 31 23:59:59 /);
	t.end();
});

t.test('len cuts header and text, the newline comes on top', (t) => {
	t.equal(cutLine('<134>', '0123456789', 80), '<134>0123456789\n');
	t.equal(cutLine('<134>', '0'.repeat(100), 80).length, 81);
	t.equal(cutLine('', '0'.repeat(100), 80), `${'0'.repeat(80)}\n`);
	t.end();
});

t.test('sample 1,3-4:5', (t) => {
	const sampler = new LogSampler({
		ranges: [
			[1, 1],
			[3, 4],
		],
		size: 5,
	});
	const passed = Array.from({ length: 11 }, (_, index) => (sampler.next() ? index : -1)).filter((index) => index >= 0);
	// As HAProxy with the same line and eleven requests.
	t.same(passed, [0, 2, 3, 5, 7, 8, 10]);
	t.end();
});

function target(fields: Partial<LogTargetModel>): LogTargetModel {
	return {
		place: { file: 'log.cfg', line: 1 },
		target: { kind: 'stdout' },
		lengthBytes: 1024,
		format: 'priority',
		formatGiven: true,
		sample: undefined,
		profile: undefined,
		facility: 'local0',
		maxLevel: 'debug',
		minLevel: 'emerg',
		...fields,
	};
}

const NO_RINGS: ReadonlyMap<string, LogRing> = new Map();

class ListSink implements LogSink {
	readonly lines: string[] = [];
	readonly droppedCount = 0;
	send(line: string): void {
		this.lines.push(line);
	}
	end(done: () => void): void {
		done();
	}
}

t.test('levels: the least important that is sent, the most important that is shown', (t) => {
	const sink = new ListSink();
	const logs = new TrafficLogTargets(
		{ logTag: undefined, logSendHostname: undefined },
		new FakeClock(),
		new Remarks().logger,
		NO_RINGS,
		() => sink,
	);
	const log = logs.logFor([
		target({ maxLevel: 'notice', minLevel: 'err' }),
		target({ maxLevel: 'info', minLevel: 'err' }),
	]);
	for (const [level, line] of [
		[6, 'info'],
		[7, 'debug'],
		[0, 'emerg'],
		[5, 'notice'],
	] as const)
		log?.write(level, line);
	t.same(sink.lines, ['<134>info\n', '<131>emerg\n', '<131>emerg\n', '<133>notice\n', '<133>notice\n']);
	t.end();
});

t.test('tags, and targets opened once', (t) => {
	const opened: string[] = [];
	const sink = new ListSink();
	const global = { logTag: 'g', logSendHostname: 'host' };
	const logs = new TrafficLogTargets(global, new FakeClock(), new Remarks().logger, NO_RINGS, (one) => {
		opened.push(one.kind);
		return sink;
	});
	logs.logFor([target({ format: 'rfc3164' })])?.write(6, 'a');
	logs.logFor([target({ format: 'local' })], { logTag: 'p' })?.write(6, 'b');
	t.same(opened, ['stdout']);
	t.match(sink.lines[0], / host g\[\d+\]: a\n$/);
	t.match(sink.lines[1], / host p\[\d+\]: b\n$/);
	t.equal(logs.logFor([]), undefined);
	t.end();
});

t.test('a line break in a line does not make two', (t) => {
	const sink = new ListSink();
	const logs = new TrafficLogTargets(
		{ logTag: undefined, logSendHostname: undefined },
		new FakeClock(),
		new Remarks().logger,
		NO_RINGS,
		() => sink,
	);
	logs.logFor([target({ format: 'raw' })])?.write(6, 'GET /a\r\n<0>forged\0');
	t.same(sink.lines, ['GET /a  <0>forged \n']);
	t.end();
});

t.test('a descriptor: order, whole lines in atomic writes, partial writes, EAGAIN', (t) => {
	const timers: (() => void)[] = [];
	const clock = { ...systemClock, setTimer: (run: () => void) => ({ cancel: () => undefined, _: timers.push(run) }) };
	const writes: string[] = [];
	let finish: ((error: NodeJS.ErrnoException | null, written: number) => void) | undefined;
	const sink = new DescriptorSink(7, clock, new Remarks().logger, (_, bytes, done) => {
		writes.push(Buffer.from(bytes).toString('latin1'));
		finish = done;
	});
	sink.send('one\n');
	sink.send('two\n');
	sink.send('three\n');
	t.same(writes, ['one\n'], 'one write at a time');
	finish?.(null, 4);
	t.same(writes, ['one\n', 'two\nthree\n']);
	finish?.(null, 5);
	t.equal(writes[2], 'hree\n', 'what was left over');
	finish?.(Object.assign(new Error('again'), { code: 'EAGAIN' }), 0);
	t.equal(writes.length, 3);
	timers.shift()?.();
	t.equal(writes[3], 'hree\n');
	for (let i = 0; i < 100; i++) sink.send(`${'x'.repeat(99)}\n`);
	finish?.(null, 5);
	t.equal(writes[4]?.length, 4000, 'at most PIPE_BUF, cut between lines');
	sink.send(`${'y'.repeat(5000)}\n`);
	while (writes.at(-1)?.startsWith('x')) finish?.(null, writes.at(-1)?.length ?? 0);
	t.equal(writes.at(-1)?.length, 5001, 'a longer line goes alone');
	let ended = false;
	sink.end(() => {
		ended = true;
	});
	t.equal(ended, false);
	finish?.(null, 5001);
	t.equal(ended, true);
	t.equal(sink.droppedCount, 0);
	t.end();
});

t.test('a descriptor that takes nothing costs a bounded memory, and says so once', (t) => {
	const remarks = new Remarks();
	let finish: ((error: NodeJS.ErrnoException | null, written: number) => void) | undefined;
	let last = 0;
	const sink = new DescriptorSink(7, new FakeClock(), remarks.logger, (_, bytes, done) => {
		last = bytes.length;
		finish = done;
	});
	const line = `${'x'.repeat(1023)}\n`;
	for (let i = 0; i < PENDING_BYTES_MAX / 1024 + 10; i++) sink.send(line);
	t.equal(sink.droppedCount, 10);
	t.same(remarks.texts, ['log lines are being dropped']);
	finish?.(null, last);
	sink.send(line);
	t.equal(sink.droppedCount, 10);
	t.same(remarks.texts, ['log lines are being dropped', 'log lines were dropped 10']);
	finish?.(Object.assign(new Error('gone'), { code: 'EPIPE' }), 0);
	t.equal(sink.droppedCount, 11);
	t.end();
});

t.test('UDP: one datagram a line', async (t) => {
	const receiver = createSocket('udp4');
	const lines: string[] = [];
	const arrived = new Promise<void>((resolve) => {
		receiver.on('message', (bytes) => {
			lines.push(bytes.toString('latin1'));
			if (lines.length === 3) resolve();
		});
	});
	await new Promise<void>((resolve) => receiver.bind(0, '127.0.0.1', resolve));
	const sink = new UdpSink('127.0.0.1', receiver.address().port, new Remarks().logger);
	for (const line of ['a\xff\n', 'b\n', 'c\n']) sink.send(line);
	await arrived;
	t.same(lines, ['a\xff\n', 'b\n', 'c\n']);
	await new Promise<void>((resolve) => sink.end(resolve));
	await new Promise<void>((resolve) => receiver.close(() => resolve()));
});

t.test('a unix stream socket', async (t) => {
	const dir = mkdtempSync(join(tmpdir(), 'holdfast-log-'));
	t.teardown(() => rmSync(dir, { recursive: true }));
	const path = join(dir, 'log');
	let text = '';
	const arrived = new Promise<void>((resolve) => {
		const server = createServer((socket) => {
			socket.on('data', (bytes) => {
				text += bytes.toString('latin1');
				if (text.endsWith('two\n')) resolve();
			});
		});
		server.listen(path);
		t.teardown(() => server.close());
	});
	const sink = new UnixSink(path, 'tag', systemClock, new Remarks().logger);
	sink.send('one\n');
	sink.send('two\n');
	await arrived;
	t.equal(text, 'one\ntwo\n');
	await new Promise<void>((resolve) => sink.end(resolve));
});

/** A receiver of datagrams on a unix socket, which Node has not. */
const canReceive = await new Promise<boolean>((resolve) => {
	const probe = spawn('sh', ['-c', 'command -v socat && command -v logger'], { stdio: 'ignore' });
	probe.on('exit', (code) => resolve(code === 0));
});

t.test(
	'a datagram socket, through logger',
	{ skip: canReceive ? false : 'socat and logger are not installed' },
	async (t) => {
		const dir = mkdtempSync(join(tmpdir(), 'holdfast-log-'));
		const path = join(dir, 'log');
		const socat = spawn('socat', ['-u', '-dd', `UNIX-RECV:${path}`, 'STDOUT'], { stdio: ['ignore', 'pipe', 'pipe'] });
		t.teardown(() => {
			socat.kill();
			rmSync(dir, { recursive: true });
		});
		await new Promise<void>((resolve) =>
			socat.stderr.on('data', (bytes) => /starting data transfer/.test(String(bytes)) && resolve()),
		);
		let text = '';
		const arrived = new Promise<void>((resolve) => {
			socat.stdout.on('data', (bytes) => {
				text += String(bytes);
				if (text.includes('second')) resolve();
			});
		});
		const logs = new TrafficLogTargets(
			{ logTag: 'tagg', logSendHostname: undefined },
			systemClock,
			new Remarks().logger,
		);
		const log = logs.logFor([target({ target: { kind: 'unix', path }, format: 'local', facility: 'local3' })]);
		log?.write(6, 'first');
		log?.write(3, 'second');
		await arrived;
		t.match(text, new RegExp(`^<158>\\w{3} [ \\d]\\d [\\d:]{8} tagg\\[${process.pid}\\]: first`));
		t.match(text, /<155>.*: second/);
		await new Promise<void>((resolve) => logs.end(resolve));
	},
);
