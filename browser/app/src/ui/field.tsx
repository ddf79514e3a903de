import { Field as Base } from '@base-ui/react/field'
import type { ComponentProps, ReactNode } from 'react'
import { cx } from './cx'
import { Icon } from './icon'

export const boxed =
  'w-full rounded border border-edge bg-surface px-3 text-base text-ink outline-none transition-colors hover:border-soft focus-visible:border-accent ' +
  'focus-visible:outline-2 focus-visible:-outline-offset-1 focus-visible:outline-accent data-invalid:border-lost disabled:opacity-55 min-h-11 md:min-h-9'

interface Common {
  label: string
  /** What is wrong with it, in words; the field is marked and read out with it. */
  fault?: string
  help?: ReactNode
  /** The label is for those who do not see the place of the field. */
  hideLabel?: boolean
}

function Frame({ label, fault, help, hideLabel, className, children }: Common & { className?: string; children: ReactNode }) {
  return (
    <Base.Root invalid={!!fault} className={cx('flex flex-col gap-1.5', className)}>
      <Base.Label className={hideLabel ? 'sr-only' : 'text-sm font-medium text-ink'}>{label}</Base.Label>
      {children}
      {help && !fault && <Base.Description className="text-sm text-soft">{help}</Base.Description>}
      {fault && (
        <Base.Error match className="flex items-start gap-1.5 text-sm text-lost">
          <Icon name="warn" className="mt-0.5 size-4" />
          <span>{fault}</span>
        </Base.Error>
      )}
    </Base.Root>
  )
}

type InputProps = Common & Omit<ComponentProps<typeof Base.Control>, 'className' | 'render'> & { className?: string; inputClass?: string }

/** A line to type. */
export function Field({ label, fault, help, hideLabel, className, inputClass, ...rest }: InputProps) {
  return (
    <Frame {...{ label, fault, help, hideLabel, className }}>
      <Base.Control {...rest} className={cx(boxed, inputClass)} />
    </Frame>
  )
}

/** Several lines to type. */
export function TextField({ label, fault, help, hideLabel, className, rows = 4, ...rest }: Common & Omit<ComponentProps<'textarea'>, 'className'> & { className?: string }) {
  return (
    <Frame {...{ label, fault, help, hideLabel, className }}>
      <Base.Control render={<textarea {...rest} rows={rows} />} className={cx(boxed, 'py-2.5 leading-normal')} />
    </Frame>
  )
}
