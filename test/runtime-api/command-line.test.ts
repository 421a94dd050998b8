import fc from 'fast-check';
import t from 'tap';
import {
	CommandReader,
	PAYLOAD_GOES_ON,
	type ParsedCommand,
	splitCommands,
	TOO_LONG,
} from '../../lib/runtime-api/command-line.js';

const words = (line: string): readonly (readonly string[])[] =>
	splitCommands(line, undefined).map((command) => command.words);

t.test('words, commands, escapes', (t) => {
	t.strictSame(words('show table'), [['show', 'table']]);
	t.strictSame(words('  show \t table  '), [['show', 'table']]);
	t.strictSame(words('show info;show stat; show table'), [
		['show', 'info'],
		['show', 'stat'],
		['show', 'table'],
	]);
	t.strictSame(words('show info;'), [['show', 'info']], 'nothing follows the last semicolon');
	t.strictSame(words(';show info'), [[], ['show', 'info']], 'an empty command is one');
	t.strictSame(words(''), [[]]);
	t.strictSame(words('add map #1 k\\;1 v\\ 1\\\\'), [['add', 'map', '#1', 'k;1', 'v 1\\']]);
	t.strictSame(words('a\\'), [['a\\']], 'a backslash before nothing is itself');
	t.strictSame(words('set __proto__ constructor'), [['set', '__proto__', 'constructor']]);
	t.end();
});

/** What a reader makes of chunks: commands, prompts and the refusal, in order. */
function read(chunks: readonly string[], limit = 100): unknown[] {
	const reader = new CommandReader(limit);
	const seen: unknown[] = [];
	for (const chunk of chunks) {
		reader.push(chunk);
		for (;;) {
			const next = reader.next();
			if (next === undefined) break;
			if (next === PAYLOAD_GOES_ON) seen.push('+');
			else if (next === TOO_LONG) return [...seen, 'too long'];
			else seen.push(next.commands);
		}
	}
	return seen;
}

const command = (text: string, payload?: string): ParsedCommand => ({ words: text.split(' '), payload });

t.test('payloads', (t) => {
	t.strictSame(read(['add map #1 <<\nk1 v1\nk2 v2 more\n\nshow map\n']), [
		'+',
		'+',
		'+',
		[command('add map #1', 'k1 v1\nk2 v2 more')],
		[command('show map')],
	]);
	t.strictSame(
		read(['add map #1 <<\r\nk v\r\n\r\n']),
		['+', '+', [command('add map #1', 'k v')]],
		'line ends of telnet',
	);
	t.strictSame(read(['show info;add map #1 << \nk v\n\n']), [
		'+',
		'+',
		[command('show info'), command('add map #1', 'k v')],
	]);
	t.strictSame(read(['add map #1 k v<<\n']), [[command('add map #1 k v<<')]], 'glued to a word it is no mark');
	t.strictSame(read(['add map #1 <<\n\n']), ['+', [command('add map #1', '')]]);
	t.strictSame(read(['add map #1 <<\nk v\n']), ['+', '+'], 'cut: nothing is run');
	t.end();
});

t.test('what has no end is refused once', (t) => {
	t.strictSame(read(['x'.repeat(101)]), ['too long']);
	t.strictSame(read([`${'x'.repeat(101)}\n`]), ['too long']);
	t.strictSame(read(['x'.repeat(60), 'x'.repeat(60)]), ['too long']);
	t.strictSame(
		read([`show info\n${'x'.repeat(101)}`]),
		[[command('show info')], 'too long'],
		'what came before is answered',
	);
	const endless = read([`add map #1 <<\n${'k v\n'.repeat(100)}`]);
	t.equal(endless.at(-1), 'too long', 'a payload is bounded too');
	t.end();
});

t.test('whole, or byte by byte', (t) => {
	const text = fc.string({ unit: fc.constantFrom('a', ' ', ';', '\\', '\n', '<', '\r', 'é', '\0'), maxLength: 60 });
	fc.assert(
		fc.property(text, (input) => {
			t.strictSame(read([...input]), read([input]));
		}),
		{ numRuns: 300, seed: 42 },
	);
	t.end();
});
