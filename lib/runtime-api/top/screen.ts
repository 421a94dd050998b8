/**
 * The screen of `holdfast top`: a pure function from two looks at the program and what the user has chosen to
 * lines. It never gives more lines, nor longer ones, than the terminal has.
 */
import { type Looks, SECTIONS, type Section, type SectionName } from './sections.js';
import {
	bytes,
	COLOURED,
	duration,
	grouped,
	layOut,
	type Paint,
	PLAIN,
	printable,
	rate,
	shorten,
} from './table-layout.js';

export type View = 'all' | SectionName;

export interface Choices {
	readonly view: View;
	/** Order of each section; the first of its own where nothing is chosen. */
	readonly sorts: ReadonlyMap<SectionName, string>;
	readonly reversed: boolean;
	/** First row shown, in a view of one section. */
	readonly offset: number;
	readonly isPaused: boolean;
}

export const FIRST_CHOICES: Choices = {
	view: 'all',
	sorts: new Map(),
	reversed: false,
	offset: 0,
	isPaused: false,
};

export interface ScreenSize {
	readonly columns: number;
	/** Undefined: paper, as long as it takes. */
	readonly rows: number | undefined;
}

/** Keys of one look are many; on paper these are enough. */
const KEYS_ON_PAPER = 20;

/** `trouble`: why there is nothing newer to show. */
export function screen(
	looks: Looks | undefined,
	choices: Choices,
	size: ScreenSize,
	hasColour: boolean,
	trouble?: string,
): string[] {
	const paint = hasColour ? COLOURED : PLAIN;
	const { columns, rows } = size;
	const lines = looks === undefined ? [] : summary(looks, columns, paint);
	const troubles = trouble === undefined ? (looks?.now.troubles ?? []) : [trouble, ...(looks?.now.troubles ?? [])];
	for (const one of troubles.slice(0, 3)) lines.push(paint(shorten(printable(one), columns), 'bad'));
	const footer = rows === undefined ? [] : [footerLine(choices, columns, paint)];
	const room = rows === undefined ? undefined : Math.max(0, rows - lines.length - footer.length);
	if (looks !== undefined) lines.push(...body(looks, choices, columns, room, paint));
	if (rows === undefined) return lines;
	const cut = lines.slice(0, Math.max(0, rows - footer.length));
	while (cut.length < rows - footer.length) cut.push('');
	return [...cut, ...footer].slice(0, rows);
}

/** As many of the parts as there is room for; the first of them shortened if need be. */
function fitting(parts: readonly string[], columns: number): string {
	let line = shorten(printable(parts[0] ?? ''), Math.max(0, columns));
	for (const part of parts.slice(1)) {
		const longer = `${line}  ${printable(part)}`;
		if (longer.length <= columns) line = longer;
	}
	return line;
}

const clockText = (wallMs: number): string => new Date(wallMs).toTimeString().slice(0, 8);

function summary({ now, before }: Looks, columns: number, paint: Paint): string[] {
	const info = (name: string): string => now.info.get(name) ?? '';
	const figure = (name: string): number => Number(info(name)) || 0;
	const elapsedMs = before === undefined ? 0 : now.atMs - before.atMs;
	const requests = before === undefined ? undefined : figure('CumReq') - (Number(before.info.get('CumReq')) || 0);
	const requestRate = requests === undefined || elapsedMs <= 0 ? undefined : (Math.max(0, requests) * 1000) / elapsedMs;
	const title = [
		`${info('Name') || 'program'} ${info('Version')} on ${info('node')}`,
		`up ${duration(figure('Uptime_sec') * 1000)}${figure('Stopping') > 0 ? ' STOPPING' : ''}`,
		`${info('Nbthread')} threads ${100 - figure('Idle_pct')}% busy`,
		bytes(figure('PoolUsed_bytes')),
		`pid ${info('Pid')}`,
	];
	const clock = clockText(now.atMs);
	const fitted = fitting(title, columns - clock.length - 2);
	const limit = figure('Maxconn') > 0 ? `/${grouped(figure('Maxconn'))}` : '';
	const servers = now.rows.filter((cells) => cells.get('type') === '2');
	const down = servers.filter((cells) => cells.get('status')?.startsWith('DOWN') === true).length;
	const peers = now.peers.filter(({ isLocal }) => !isLocal);
	const away = peers.filter(({ isConnected }) => !isConnected).length;
	const parts = [
		`requests ${rate(requestRate)}${requestRate === undefined ? ` (${grouped(figure('CumReq'))} in all)` : '/s'}`,
		`conns ${grouped(figure('CurrConns'))}${limit}`,
		`sessions ${rate(figure('SessRate'))}/s`,
		`out ${bytes(figure('BytesOutRate'))}/s`,
		`servers ${servers.length - down} up${down > 0 ? ` ${down} DOWN` : ''}`,
		...(peers.length === 0 ? [] : [`peers ${peers.length - away}/${peers.length}`]),
	];
	return [
		paint(`${fitted.padEnd(Math.max(0, columns - clock.length))}${clock}`.slice(0, columns), 'title'),
		paint(fitting(parts, columns), down + away > 0 ? 'warning' : 'plain'),
	];
}

const KEY_HELP = 'q quit  a all  t tables  k keys  s servers  p peers  u sums  o order  r reverse  space pause';

function footerLine({ isPaused, view }: Choices, columns: number, paint: Paint): string {
	const scroll = view === 'all' ? '' : '  arrows scroll';
	return paint(`${isPaused ? 'PAUSED  ' : ''}${KEY_HELP}${scroll}`.slice(0, columns), 'dim');
}

function body(looks: Looks, choices: Choices, columns: number, room: number | undefined, paint: Paint): string[] {
	const { view, reversed, sorts } = choices;
	const chosen = view === 'all' ? SECTIONS : SECTIONS.filter(({ name }) => name === view);
	const parts = chosen
		.map((section) => {
			const sort = sorts.get(section.name) ?? section.sorts[0] ?? '';
			return { section, sort, ...section.rows(looks, sort, reversed) };
		})
		.filter(({ rows }) => view !== 'all' || rows.length > 0);
	const isPaper = room === undefined;
	const shares = shareRows(
		parts.map(({ section, rows }) =>
			isPaper && section.name === 'keys' ? Math.min(rows.length, KEYS_ON_PAPER) : rows.length,
		),
		// A part has an empty line, its name and a line of titles.
		isPaper ? undefined : room - parts.length * 3,
	);
	return parts.flatMap(({ section, sort, columns: titles, rows }, index) => {
		const share = shares[index] ?? 0;
		if (share === 0 && rows.length > 0) return [];
		const offset = view === 'all' ? 0 : Math.min(choices.offset, Math.max(0, rows.length - share));
		const shown = rows.slice(offset, offset + share);
		return [
			'',
			heading(section, sort, reversed, rows.length, offset, shown.length, columns, paint),
			...layOut(titles, shown, columns, paint),
		];
	});
}

function heading(
	{ name }: Section,
	sort: string,
	reversed: boolean,
	total: number,
	offset: number,
	shown: number,
	columns: number,
	paint: Paint,
): string {
	const which =
		total === 0 ? 'none' : shown === total ? String(total) : `${offset + 1}-${offset + shown} of ${grouped(total)}`;
	return paint(shorten(`${name.toUpperCase()} ${which}, by ${sort}${reversed ? ' reversed' : ''}`, columns), 'bold');
}

/** Rows for each part: the same for all, and what small parts leave goes to the others. */
export function shareRows(wanted: readonly number[], room: number | undefined): number[] {
	if (room === undefined) return [...wanted];
	const shares = wanted.map(() => 0);
	let left = Math.max(0, room);
	for (;;) {
		const hungry = wanted.flatMap((count, at) => (shares[at]! < count ? [at] : []));
		if (hungry.length === 0 || left === 0) return shares;
		const each = Math.max(1, Math.floor(left / hungry.length));
		for (const at of hungry) {
			const given = Math.min(each, wanted[at]! - shares[at]!, left);
			shares[at]! += given;
			left -= given;
		}
	}
}
