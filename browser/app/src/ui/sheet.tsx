import { Dialog as Base } from '@base-ui/react/dialog'
import type { ReactNode } from 'react'
import { t } from '../lib/words'
import { Button } from './button'
import { cx } from './cx'
import { veil } from './surface'

/** Work beside the page: from below in the hand, from the side on a desk. */
export function Sheet({ open, onClose, title, children, actions }: { open: boolean; onClose: () => void; title: string; children: ReactNode; actions?: ReactNode }) {
  return (
    <Base.Root open={open} onOpenChange={(o) => !o && onClose()}>
      <Base.Portal>
        <Base.Backdrop className={veil} />
        <Base.Popup
          className={cx(
            'fixed z-50 flex flex-col bg-floating text-ink shadow-float outline-none transition-[opacity,translate] duration-150 ease-out data-starting-style:opacity-0 data-ending-style:opacity-0',
            'inset-x-0 bottom-0 max-h-[88dvh] rounded-t-xl data-starting-style:translate-y-8 data-ending-style:translate-y-8',
            'md:inset-x-auto md:inset-y-0 md:end-0 md:max-h-none md:w-110 md:rounded-none md:border-s md:border-line md:data-starting-style:translate-y-0 md:data-ending-style:translate-y-0',
          )}
        >
          <header className="flex items-center justify-between gap-4 px-5 pt-4 pb-2">
            <Base.Title className="text-lg font-semibold">{title}</Base.Title>
            <Base.Close render={<Button look="quiet" icon="cross" aria-label={t('common.close')} />} />
          </header>
          <div className="flex-1 overflow-y-auto px-5 pb-5">{children}</div>
          {actions && <footer className="flex gap-2 border-t border-line px-5 pt-3 pb-[max(12px,env(safe-area-inset-bottom))] [&>*]:flex-1">{actions}</footer>}
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  )
}
