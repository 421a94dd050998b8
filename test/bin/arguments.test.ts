import t from 'tap';
import { parseArguments } from '../../bin/arguments.js';
import { HoldfastError } from '../../lib/core/errors.js';
import type { ProgramOptions } from '../../lib/process/options.js';

function parse(line: string): ProgramOptions {
	const options = parseArguments(line.split(' ').filter((word) => word !== ''));
	if ('help' in options) throw new Error('help was printed');
	if ('cli' in options || 'reload' in options || 'top' in options) throw new Error('a command for a running program');
	return options;
}

function refusal(line: string): string {
	try {
		parse(line);
	} catch (error) {
		if (error instanceof HoldfastError && error.code === 'ARGUMENT_INVALID') return error.message;
		throw error;
	}
	throw new Error(`'${line}' was accepted`);
}

t.test('HAProxy’s words of one dash', async (t) => {
	const options = parse('-f a.cfg -f b.d -D -W -p /run/x.pid -L me -n 100 -m 256 -C /etc -q -S /run/m.sock');
	t.same(options.configPaths, ['a.cfg', 'b.d']);
	t.equal(options.daemon, true);
	t.equal(options.masterWorker, true);
	t.equal(options.pidfile, '/run/x.pid');
	t.equal(options.localPeer, 'me');
	t.equal(options.maxconn, 100);
	t.equal(options.memoryLimitMb, 256);
	t.equal(options.workingDirectory, '/etc');
	t.equal(options.quiet, true);
	t.equal(options.masterSocket, '/run/m.sock');
});

t.test('words of several letters are words, not bundles of letters', async (t) => {
	t.match(parse('-db -f x'), { foreground: true, debug: false, daemon: false });
	t.match(parse('-d -f x'), { foreground: true, debug: true });
	t.match(parse('--log-level warning -f x'), { logLevel: 'warn', debug: false });
	t.match(parse('-f x'), { logLevel: undefined });
	t.throws(() => parse('--log-level loud -f x'), /none of debug, info/);
	t.match(parse('-Ws -f x'), { masterWorker: true, notifySystemd: true });
	t.match(parse('-vv'), { version: 'full' });
	t.match(parse('-v'), { version: 'short' });
	t.match(parse('-c -dW -dr -dV -dD -f x'), {
		check: true,
		zeroWarning: true,
		ignoreResolutionFailures: true,
		skipServerVerify: true,
		diagnostics: true,
	});
	t.match(parse('-cc streq(a,b)'), { condition: 'streq(a,b)' });
});

t.test('a list of pids ends at the next word with a dash and may be empty', async (t) => {
	t.same(parse('-f x -sf 12 13 -q').finishPids, [12, 13]);
	t.same(parse('-f x -st 7').terminatePids, [7]);
	t.same(parse('-sf -f x').finishPids, []);
	t.match(refusal('-f x -sf 12a'), /'12a' is not a number/);
});

t.test('-- makes the rest files', async (t) => {
	t.same(parse('-q -- a -b').configPaths, ['a', '-b']);
});

t.test('long forms for people', async (t) => {
	t.match(parse('--config x --check --local-peer me'), { configPaths: ['x'], check: true, localPeer: 'me' });
});

t.test('words that do nothing here are accepted and named', async (t) => {
	t.same(
		parse('-f x -de -dS -dM0x50,tag -x /run/s').withoutEffect.map(({ word }) => word),
		['-de', '-dS', '-dM0x50,tag', '-x'],
	);
	for (const { reason } of parse('-f x -de -dk -dp -dv -dS -dG -dR -dL -N 4').withoutEffect) t.ok(reason.length > 10);
});

t.test('what is not understood is refused with the nearest word', async (t) => {
	t.match(refusal('-dbb'), /unknown option '-dbb'; did you mean '-db' \?/);
	t.match(refusal('-f'), /option '-f' expects an argument/);
	t.match(refusal('--cheque'), /unknown option '--cheque'/);
	t.match(refusal('-n ten'), /'ten' is not a number/);
	t.match(refusal('stray'), /too many arguments|stray/);
});

t.test('cli: a command for a running program', (t) => {
	const cli = (words: readonly string[]) => {
		const parsed = parseArguments(['cli', ...words]);
		return 'cli' in parsed ? parsed.cli : undefined;
	};
	t.strictSame(cli(['-f', 'a.cfg', '-f', 'b.cfg', 'show table']), {
		command: 'show table',
		configPaths: ['a.cfg', 'b.cfg'],
		socket: undefined,
	});
	t.strictSame(cli(['--socket', '/run/h.sock', 'show', 'info']), {
		command: 'show info',
		configPaths: [],
		socket: '/run/h.sock',
	});
	t.equal(cli([])?.command, '', 'no command: a conversation');
	t.throws(() => cli(['--nope']), { code: 'ARGUMENT_INVALID' });
	t.end();
});

t.test('holdfast reload', async (t) => {
	const reload = (line: string): unknown => {
		const parsed = parseArguments(line.split(' '));
		return 'reload' in parsed ? parsed.reload : undefined;
	};
	t.same(reload('reload'), { socket: undefined, pidfile: undefined, configPaths: [] });
	t.same(reload('reload -S /run/m.sock'), { socket: '/run/m.sock', pidfile: undefined, configPaths: [] });
	t.same(reload('reload -p /run/pid -f a.cfg -f b.cfg'), {
		socket: undefined,
		pidfile: '/run/pid',
		configPaths: ['a.cfg', 'b.cfg'],
	});
	t.throws(() => parseArguments(['reload', '--now']), { code: 'ARGUMENT_INVALID' });
});

t.test('holdfast top', async (t) => {
	const top = (line: string): unknown => {
		const parsed = parseArguments(line.split(' '));
		return 'top' in parsed ? parsed.top : undefined;
	};
	const usual = {
		configPaths: [],
		socket: undefined,
		mode: 'screen',
		intervalMs: 1000,
		count: undefined,
		view: 'all',
		sort: undefined,
	};
	t.strictSame(top('top -f a.cfg -f b.cfg'), { ...usual, configPaths: ['a.cfg', 'b.cfg'] });
	t.strictSame(top('top -s /run/s --once'), { ...usual, socket: '/run/s', mode: 'once' });
	t.strictSame(top('top --batch -n 3 -d 2 --view keys --sort value'), {
		...usual,
		mode: 'batch',
		count: 3,
		intervalMs: 2000,
		view: 'keys',
		sort: 'value',
	});
	t.match(top('top -d 500ms'), { intervalMs: 500 });
	for (const wrong of ['top -d 1x', 'top -d 1ms', 'top --view moon', 'top -n many', 'top stray', 'top --nope']) {
		t.throws(() => parseArguments(wrong.split(' ')), { code: 'ARGUMENT_INVALID' }, wrong);
	}
});
