/** The `http-errors` section (manual, 3.8): a named group of error replies for `errorfiles`. */
import type { Place } from '../../core/diagnostics.js';
import type { HttpErrorsDraft } from '../draft.js';
import type { ParserState } from '../state.js';
import { type Keyword, KeywordTable } from '../statement.js';
import { readErrorFile } from './error-replies.js';

export interface HttpErrorsSite {
	readonly group: HttpErrorsDraft;
	readonly state: ParserState;
}

export const newHttpErrors = (name: string, place: Place): HttpErrorsDraft => ({ place, name, replies: new Map() });

const BUILT: readonly Keyword<HttpErrorsSite>[] = [
	{
		name: 'errorfile',
		parse(statement, { group, state }) {
			const source = readErrorFile(statement, state);
			if (source !== undefined) group.replies.set(source.status, source.reply);
		},
	},
];

export const HTTP_ERRORS_KEYWORDS = new KeywordTable<HttpErrorsSite>(BUILT);
