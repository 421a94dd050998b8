/**
 * The command line. HAProxy's words have one dash and several letters (`-db`, `-sf 12 13`), which no
 * option parser takes as they are; they are first translated into long options, from the one table below,
 * and then read by commander, which also gives people `--config`, `--check` and `--help`.
 *
 * Manual: management.txt, section 3.
 */
import { Command, CommanderError, Option } from 'commander';
import { didYouMean } from '../lib/core/diagnostics.js';
import { HoldfastError } from '../lib/core/errors.js';
import { LOGGER_LEVELS, type LoggerLevel, loggerLevelOf } from '../lib/core/logger.js';
import { parseTimeMs } from '../lib/core/units.js';
import type { CliOptions } from '../lib/process/cli.js';
import type { ProgramOptions } from '../lib/process/options.js';
import type { ReloadOptions } from '../lib/process/reload-command.js';
import type { TopCommandOptions } from '../lib/process/top-command.js';

type Arity = 'none' | 'one' | 'pids';

interface HaproxyWord {
	readonly word: string;
	readonly arity: Arity;
	/** The long option it stands for; absent when it has no effect here. */
	readonly long?: string;
	readonly reason?: string;
}

const NO_POLLER = 'Node waits with the best poller of the system';

/** HAProxy's own words. Anything after `prefix` words such as `-dM` belongs to the word. */
const HAPROXY_WORDS: readonly HaproxyWord[] = [
	{ word: '-f', arity: 'one', long: '--config' },
	{ word: '-c', arity: 'none', long: '--check' },
	{ word: '-cc', arity: 'one', long: '--check-condition' },
	{ word: '-C', arity: 'one', long: '--directory' },
	{ word: '-L', arity: 'one', long: '--local-peer' },
	{ word: '-n', arity: 'one', long: '--maxconn' },
	{ word: '-N', arity: 'one', reason: 'proxies have the default maxconn of the manual' },
	{ word: '-m', arity: 'one', long: '--memory' },
	{ word: '-p', arity: 'one', long: '--pidfile' },
	{ word: '-D', arity: 'none', long: '--daemon' },
	{ word: '-W', arity: 'none', long: '--master-worker' },
	{ word: '-Ws', arity: 'none', long: '--systemd' },
	{ word: '-db', arity: 'none', long: '--foreground' },
	{ word: '-d', arity: 'none', long: '--debug' },
	{ word: '-q', arity: 'none', long: '--quiet' },
	{ word: '-V', arity: 'none', long: '--verbose' },
	{ word: '-v', arity: 'none', long: '--version' },
	{ word: '-vv', arity: 'none', long: '--version-full' },
	{ word: '-sf', arity: 'pids', long: '--finish' },
	{ word: '-st', arity: 'pids', long: '--terminate' },
	{ word: '-S', arity: 'one', long: '--master-socket' },
	{ word: '-x', arity: 'one', reason: 'sockets pass from the master to its workers, not over a stats socket' },
	{ word: '-dr', arity: 'none', long: '--ignore-resolution-failures' },
	{ word: '-dV', arity: 'none', long: '--no-server-verify' },
	{ word: '-dW', arity: 'none', long: '--zero-warning' },
	{ word: '-dD', arity: 'none', long: '--diagnose' },
	{ word: '-de', arity: 'none', reason: NO_POLLER },
	{ word: '-dk', arity: 'none', reason: NO_POLLER },
	{ word: '-dp', arity: 'none', reason: NO_POLLER },
	{ word: '-dv', arity: 'none', reason: NO_POLLER },
	{ word: '-dS', arity: 'none', reason: 'splicing is not used' },
	{ word: '-dG', arity: 'none', reason: 'names are resolved by the system library' },
	{ word: '-dR', arity: 'none', reason: 'SO_REUSEPORT is not used: the master owns each socket' },
	{ word: '-dL', arity: 'none', reason: 'there are no shared objects to list' },
	{ word: '-dF', arity: 'none', reason: 'fast-forwarding cannot be switched off' },
	{ word: '-dI', arity: 'none', reason: 'no external process is forked by a worker' },
];

/** Words whose value is glued to them. */
const GLUED_WORDS: readonly { readonly prefix: string; readonly reason: string }[] = [
	{ prefix: '-dM', reason: 'memory is managed by the JavaScript engine' },
	{ prefix: '-dK', reason: 'keywords are listed by -vv' },
	{ prefix: '-dt', reason: 'there are no trace sources' },
	{ prefix: '-dC', reason: 'the configuration is not dumped' },
	{ prefix: '-dA', reason: 'there is no core file to complete' },
];

const WORDS = new Map(HAPROXY_WORDS.map((row) => [row.word, row]));

/** HAProxy's words as long options; people's words pass through. */
function translate(argv: readonly string[]): {
	translated: string[];
	withoutEffect: { word: string; reason: string }[];
} {
	const translated: string[] = [];
	const withoutEffect: { word: string; reason: string }[] = [];
	for (let i = 0; i < argv.length; i++) {
		const word = argv[i] ?? '';
		if (word === '--') {
			for (const path of argv.slice(i + 1)) translated.push('--config', path);
			break;
		}
		const row = WORDS.get(word);
		if (row === undefined) {
			const glued = GLUED_WORDS.find(({ prefix }) => word.startsWith(prefix));
			if (glued !== undefined) {
				withoutEffect.push({ word, reason: glued.reason });
				continue;
			}
			if (/^-[^-]/.test(word)) {
				throw new HoldfastError('ARGUMENT_INVALID', `unknown option '${word}'${didYouMean(word, WORDS.keys())}`);
			}
			translated.push(word);
			continue;
		}
		const values: string[] = [];
		if (row.arity === 'one') {
			const value = argv[++i];
			if (value === undefined) throw new HoldfastError('ARGUMENT_INVALID', `option '${word}' expects an argument`);
			values.push(value);
		} else if (row.arity === 'pids') {
			// The list ends at the next word with a dash and may be empty (management.txt, 3).
			for (let next = argv[i + 1]; next !== undefined && !next.startsWith('-'); next = argv[i + 1]) {
				values.push(next);
				i++;
			}
		}
		if (row.long === undefined) withoutEffect.push({ word, reason: row.reason ?? 'no effect' });
		else if (row.arity === 'none') translated.push(row.long);
		else for (const value of values) translated.push(`${row.long}=${value}`);
	}
	return { translated, withoutEffect };
}

const collect = (value: string, previous: string[] | undefined): string[] => [...(previous ?? []), value];

function parseLogLevel(text: string): LoggerLevel {
	const level = loggerLevelOf(text);
	if (level === undefined) {
		throw new HoldfastError('ARGUMENT_INVALID', `'${text}' is none of ${LOGGER_LEVELS.join(', ')}`);
	}
	return level;
}

function parseCount(value: string): number {
	if (!/^\d+$/.test(value)) throw new HoldfastError('ARGUMENT_INVALID', `'${value}' is not a number`);
	return Number(value);
}

const collectPid = (value: string, previous: number[] | undefined): number[] => [
	...(previous ?? []),
	parseCount(value),
];

function createCommand(): Command {
	const command = new Command('holdfast')
		.description('A load balancer that keeps its counters. Takes HAProxy’s command line and configuration.')
		.exitOverride()
		.configureOutput({ writeErr: () => undefined })
		.helpOption('--help', 'show this help')
		.addHelpText(
			'after',
			"\nholdfast cli '<command>' talks with a running one; see holdfast cli --help.\nholdfast top shows what goes on in a running one; see holdfast top --help.\nholdfast reload has it read its configuration again; see holdfast reload --help.",
		)
		.allowExcessArguments(false);
	const options: readonly Option[] = [
		new Option('--config <file|dir>', 'configuration file or directory, repeatable (-f)').argParser(collect),
		new Option('--check', 'check the configuration and leave (-c)'),
		new Option('--check-condition <condition>', 'evaluate a condition and leave (-cc)'),
		new Option('--directory <dir>', 'change to this directory first (-C)'),
		new Option('--local-peer <name>', 'name of the local peer, by default the host name (-L)'),
		new Option('--maxconn <count>', 'most connections of the process (-n)').argParser(parseCount),
		new Option('--memory <megabytes>', 'limit of the heap of each thread (-m)').argParser(parseCount),
		new Option('--pidfile <file>', 'write the pid of the master there (-p)'),
		new Option('--daemon', 'go to the background (-D)'),
		new Option('--master-worker', 'master-worker mode (-W)'),
		new Option('--systemd', 'master-worker mode, telling systemd (-Ws)'),
		new Option('--foreground', 'stay in the foreground, whatever the file says (-db)'),
		new Option('--debug', 'stay in the foreground and log in detail (-d)'),
		new Option('--log-level <level>', "least of the program's own log: debug, info, warn, error or silent").argParser(
			parseLogLevel,
		),
		new Option('--quiet', 'print no messages (-q)'),
		new Option('--verbose', 'print all messages (-V)'),
		new Option('--version', 'print the version and leave (-v)'),
		new Option('--version-full', 'print the version, features and keywords and leave (-vv)'),
		new Option('--finish <pid>', 'ask this process to finish once started, repeatable (-sf)').argParser(collectPid),
		new Option('--terminate <pid>', 'end this process once started, repeatable (-st)').argParser(collectPid),
		new Option('--master-socket <address>', 'runtime socket of the master (-S)'),
		new Option('--ignore-resolution-failures', 'start although a server’s name does not resolve (-dr)'),
		new Option('--no-server-verify', 'do not verify servers’ certificates (-dV)'),
		new Option('--zero-warning', 'refuse a configuration that gives warnings (-dW)'),
		new Option('--diagnose', 'point at suspicious lines (-dD)'),
	];
	for (const option of options) command.addOption(option);
	return command;
}

/** `holdfast cli [-f <file>]* [--socket <path>] [command...]`. */
function parseCliArguments(argv: readonly string[]): { readonly cli: CliOptions } | { readonly help: string } {
	const command = new Command('holdfast cli')
		.description('Gives a command to a running Holdfast (or HAProxy) over its stats socket, or opens a conversation.')
		.exitOverride()
		.configureOutput({ writeErr: () => undefined })
		.helpOption('--help', 'show this help')
		.argument('[command...]', "such as 'show table'; several, separated by ';', in one word")
		.option('-f, --config <file|dir>', 'configuration that names the socket, repeatable', collect)
		.option('-s, --socket <address>', 'the socket: a path, or <address>:<port>');
	return guarded(() => {
		command.parse(argv, { from: 'user' });
		const options = command.opts<{ config?: string[]; socket?: string }>();
		return { cli: { command: command.args.join(' '), configPaths: options.config ?? [], socket: options.socket } };
	});
}

const VIEWS = ['all', 'tables', 'keys', 'servers', 'peers', 'sums'] as const;

/** `holdfast top [-f <file>]* [--socket <path>] [--once|--batch] [-d <time>] [-n <count>] [--view <view>] [--sort <order>]`. */
function parseTopArguments(argv: readonly string[]): { readonly top: TopCommandOptions } | { readonly help: string } {
	const command = new Command('holdfast top')
		.description(
			'Shows the fullest tables, the hottest keys, servers, peers and sums of a running Holdfast, refreshed each second.',
		)
		.exitOverride()
		.configureOutput({ writeErr: () => undefined })
		.helpOption('--help', 'show this help')
		.option('-f, --config <file|dir>', 'configuration that names the socket, repeatable', collect)
		.option('-s, --socket <address>', 'the socket: a path, or <address>:<port>')
		.option('--once', 'print one screen and leave; so it is without a terminal')
		.option('--batch', 'print a screen each interval, for a file or a pipe')
		.option('-d, --delay <time>', 'time between two looks, by default 1s', '1s')
		.option('-n, --count <count>', 'leave after so many screens in batch mode', parseCount)
		.addOption(new Option('--view <view>', 'what to show first').choices([...VIEWS]).default('all'))
		.option('--sort <order>', 'order of the view, such as fill, rate, requests')
		.addHelpText(
			'after',
			'\nKeys: q quit, a all, t tables, k keys, s servers, p peers, u sums, o next order, r reverse, space pause, arrows scroll.\nNO_COLOR in the environment switches colours off.',
		);
	return guarded(() => {
		command.parse(argv, { from: 'user' });
		const options = command.opts<{
			config?: string[];
			socket?: string;
			once?: true;
			batch?: true;
			delay: string;
			count?: number;
			view: (typeof VIEWS)[number];
			sort?: string;
		}>();
		const delay = parseTimeMs(options.delay, 's');
		if (!delay.ok) throw new HoldfastError('ARGUMENT_INVALID', `option '--delay': ${delay.reason}`);
		if (delay.value < 100) throw new HoldfastError('ARGUMENT_INVALID', "option '--delay': at least 100ms");
		return {
			top: {
				configPaths: options.config ?? [],
				socket: options.socket,
				mode: options.once === true ? 'once' : options.batch === true ? 'batch' : 'screen',
				intervalMs: delay.value,
				count: options.count,
				view: options.view,
				sort: options.sort,
			},
		};
	});
}

/** `holdfast reload [-S <socket>] [-p <pidfile>] [-f <file>]*`. */
function parseReloadArguments(argv: readonly string[]): { readonly reload: ReloadOptions } | { readonly help: string } {
	const command = new Command('holdfast reload')
		.description(
			'Has a running Holdfast read its configuration again, and tells the outcome: 0 done, 1 refused, 2 not found.',
		)
		.exitOverride()
		.configureOutput({ writeErr: () => undefined })
		.helpOption('--help', 'show this help')
		.option('-S, --master-socket <address>', 'the socket it was given with -S')
		.option('-p, --pidfile <file>', 'its pid file')
		.option('-f, --config <file|dir>', 'the configuration that names the pid file, repeatable', collect);
	return guarded(() => {
		command.parse(argv, { from: 'user' });
		const options = command.opts<{ config?: string[]; pidfile?: string; masterSocket?: string }>();
		return { reload: { socket: options.masterSocket, pidfile: options.pidfile, configPaths: options.config ?? [] } };
	});
}

/** Commander's complaints as ours. */
function guarded<T>(parse: () => T): T | { readonly help: string } {
	try {
		return parse();
	} catch (error) {
		if (!(error instanceof CommanderError)) throw error;
		if (error.code === 'commander.helpDisplayed') return { help: '' };
		throw new HoldfastError('ARGUMENT_INVALID', error.message.replace(/^error: /, ''));
	}
}

/**
 * Reads the words after the program's name.
 * @throws HoldfastError ARGUMENT_INVALID with a sentence for the user
 */
export function parseArguments(
	argv: readonly string[],
):
	| ProgramOptions
	| { readonly help: string }
	| { readonly cli: CliOptions }
	| { readonly top: TopCommandOptions }
	| { readonly reload: ReloadOptions } {
	if (argv[0] === 'cli') return parseCliArguments(argv.slice(1));
	if (argv[0] === 'top') return parseTopArguments(argv.slice(1));
	if (argv[0] === 'reload') return parseReloadArguments(argv.slice(1));
	const command = createCommand();
	const { translated, withoutEffect } = translate(argv);
	const help = guarded(() => {
		command.parse(translated, { from: 'user' });
	});
	if (help !== undefined) return help;
	const options = command.opts<Record<string, unknown>>();
	const flag = (name: string): boolean => options[name] === true;
	const text = (name: string): string | undefined =>
		typeof options[name] === 'string' ? (options[name] as string) : undefined;
	const count = (name: string): number | undefined =>
		typeof options[name] === 'number' ? (options[name] as number) : undefined;
	return {
		configPaths: (options.config as string[] | undefined) ?? [],
		check: flag('check'),
		condition: text('checkCondition'),
		workingDirectory: text('directory'),
		localPeer: text('localPeer'),
		maxconn: count('maxconn'),
		memoryLimitMb: count('memory'),
		pidfile: text('pidfile'),
		daemon: flag('daemon'),
		masterWorker: flag('masterWorker') || flag('systemd'),
		notifySystemd: flag('systemd'),
		// Under systemd the master stays in the foreground, whatever the files say of daemons.
		foreground: flag('foreground') || flag('debug') || flag('systemd'),
		debug: flag('debug'),
		logLevel: options.logLevel as ProgramOptions['logLevel'],
		quiet: flag('quiet'),
		verbose: flag('verbose'),
		version: flag('versionFull') ? 'full' : flag('version') ? 'short' : undefined,
		finishPids: (options.finish as number[] | undefined) ?? [],
		terminatePids: (options.terminate as number[] | undefined) ?? [],
		masterSocket: text('masterSocket'),
		zeroWarning: flag('zeroWarning'),
		ignoreResolutionFailures: flag('ignoreResolutionFailures'),
		skipServerVerify: options.serverVerify === false,
		diagnostics: flag('diagnose'),
		withoutEffect,
	};
}

/** HAProxy's usage text, in short; the long form is `--help`. */
export const USAGE = `Usage : holdfast [-f <cfgfile|cfgdir>]* [ -vdVD ] [ -n <maxconn> ] [ -p <pidfile> ]
        [ -m <max megs> ] [ -C <dir> ] [ -L <name> ] [-- <cfgfile>*]
        -c check mode ; -cc <condition> evaluates a condition ; --help lists all options.
`;
