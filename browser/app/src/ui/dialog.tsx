import { Dialog as Base } from '@base-ui/react/dialog'
import type { ReactNode } from 'react'
import { t } from '../lib/words'
import { Button } from './button'
import { cx } from './cx'
import { floating, veil } from './surface'

interface Props {
  open: boolean
  onClose: () => void
  title: string
  /** A sentence below the title. */
  words?: ReactNode
  children?: ReactNode
  /** The buttons, the one meant last. */
  actions?: ReactNode
  className?: string
}

/** A question in the middle of the screen. What is behind it waits. */
export function Dialog({ open, onClose, title, words, children, actions, className }: Props) {
  return (
    <Base.Root open={open} onOpenChange={(o) => !o && onClose()}>
      <Base.Portal>
        <Base.Backdrop className={veil} />
        <Base.Popup className={cx(floating, 'fixed inset-x-4 top-[12dvh] z-50 mx-auto max-h-[80dvh] max-w-110 overflow-y-auto p-6', className)}>
          <Base.Title className="text-lg font-semibold">{title}</Base.Title>
          {words && <Base.Description className="mt-1.5 text-soft">{words}</Base.Description>}
          {children && <div className="mt-4">{children}</div>}
          {actions && <div className="mt-6 flex flex-wrap justify-end gap-2">{actions}</div>}
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  )
}

/** Asks once more before what cannot be taken back. */
export function Confirm({ open, onClose, title, words, verb, busy, onYes }: Omit<Props, 'actions' | 'children'> & { verb: string; busy?: boolean; onYes: () => void }) {
  return (
    <Dialog
      {...{ open, onClose, title, words }}
      actions={
        <>
          <Button look="quiet" onClick={onClose}>{t('common.cancel')}</Button>
          <Button look="lost" busy={busy} onClick={onYes}>{verb}</Button>
        </>
      }
    />
  )
}
