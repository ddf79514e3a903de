import type { ReactNode } from 'react'
import { t } from '../lib/words'
import { Icon } from '../ui/icon'

/** What a list was narrowed to by a link. */
export const Chips = ({ children }: { children: ReactNode }) => <ul className="mb-3 flex flex-wrap gap-2">{children}</ul>

/** One of them, to be taken away. */
export function Chip({ words, off }: { words: string; off: () => void }) {
  return (
    <li>
      <button type="button" onClick={off} aria-label={t('console.chip.drop', { words })} className="inline-flex min-h-11 items-center gap-1.5 rounded-full bg-accent-ground px-3 text-sm text-accent hover:bg-hover md:min-h-7">
        <span dir="auto">{words}</span><Icon name="cross" className="size-3.5" />
      </button>
    </li>
  )
}
