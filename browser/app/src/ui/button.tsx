import { Button as Base } from '@base-ui/react/button'
import type { ComponentProps, ReactNode } from 'react'
import { cx } from './cx'
import { Icon, type IconName } from './icon'
import { Sign } from './sign'

const looks = {
  primary: 'bg-accent text-on-accent hover:bg-accent-strong active:bg-accent-strong data-disabled:not-aria-busy:bg-hover data-disabled:not-aria-busy:text-faint',
  plain: 'border border-line bg-surface text-ink hover:bg-hover active:bg-hover data-disabled:text-faint',
  quiet: 'text-soft hover:bg-hover hover:text-ink active:bg-hover data-disabled:text-faint data-disabled:hover:bg-transparent',
  lost: 'border border-line bg-surface text-lost hover:bg-lost-ground active:bg-lost-ground',
}

export interface ButtonProps extends Omit<ComponentProps<typeof Base>, 'className'> {
  look?: keyof typeof looks
  /** Over the whole width, in the height of a thumb: the one thing to do on a phone's screen. */
  wide?: boolean
  icon?: IconName
  busy?: boolean
  className?: string
  children?: ReactNode
}

/** A verb. While it is at work it stays where it is and cannot be pressed again. */
export function Button({ look = 'plain', wide, icon, busy, className, children, disabled, ...rest }: ButtonProps) {
  return (
    <Base
      {...rest}
      disabled={disabled || busy}
      aria-busy={busy || undefined}
      className={cx(
        'inline-flex items-center justify-center gap-2 rounded font-medium whitespace-nowrap select-none transition-colors',
        'focus-visible:outline-2 focus-visible:outline-offset-2 focus-visible:outline-accent',
        wide ? 'min-h-13 w-full px-4 text-base' : 'min-h-11 px-3.5 text-sm md:min-h-9',
        !children && !wide && 'min-w-11 px-0 md:min-w-9',
        looks[look],
        className,
      )}
    >
      {busy ? <Sign running className={cx('size-4.5', look === 'primary' && 'text-on-accent')} /> : icon && <Icon name={icon} className="size-4.5" />}
      {children}
    </Base>
  )
}
